"""Show every training recipe in full, with the assumptions that its source leaves to be made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmark.config.packages import declarations
from benchmark.config.pipeline import AUGMENTATIONS, CROP_RULES
from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Recipe, Schedule, Target
from benchmark.models.registry import entries
from benchmark.report.markdown import code, grid, heading_anchor, page

GENERAL = "For any network"  # in the place of a package's name
REPORTS = {"best": "the best of the tested epochs, chosen on the test people themselves", "last": "the last"}


def recipes_page() -> str:
    """Return ``reports/recipes.md``, from the recipes that the packages declare."""
    blocks = [
        "# Training recipes",
        "A recipe fixes everything that a training run depends on except the network, the images and the seed. Anything that "
        "its source does not specify is listed below the recipe as an assumption: what is unspecified, what was chosen here, "
        "and where this choice comes from. The record of a training run names its recipe; the recipe's digest changes with "
        "every setting that influences the result.",
        grid(("recipe", "training data", "input", "epochs", "batch", "optimizer", "loss"), _overview()),
    ]
    for package, recipes in recipes_by_package().items():
        blocks.append(f"## {package}")
        untrained = {} if package == GENERAL else declarations()[package].untrained
        if untrained:
            blocks += ["Networks without a recipe:", "\n".join(f"- {code(model)}: {why}" for model, why in untrained.items())]
        for recipe in recipes.values():
            blocks += [
                f"### {_heading(package, recipe)}",
                grid(("setting", f"version {recipe.version}, digest {code(recipe.digest())}"), _rows(recipe, package)),
                _assumptions(recipe),
            ]
    return page(*blocks)


def _heading(package: str, recipe: Recipe) -> str:
    """Return the heading of a recipe, which names its package, as packages have recipes of the same name."""
    return f"{package}: {code(recipe.name)}"


def _overview() -> Iterator[tuple[object, ...]]:
    for package, recipes in recipes_by_package().items():
        for recipe in recipes.values():
            link = f"[{_heading(package, recipe)}](#{heading_anchor(_heading(package, recipe))})"
            loss = recipe.loss.rpartition(":")[2]
            yield (
                link,
                f"{recipe.num_people:,} of {recipe.dataset}",
                recipe.input,
                recipe.epochs,
                recipe.batch,
                recipe.optimizer.name,
                loss,
            )


def recipes_by_package() -> dict[str, Mapping[str, Recipe]]:
    """Return the recipes by the name of their package, those for any network last."""
    recipes = {name: package.recipes for name, package in declarations().items() if package.recipes}
    return recipes | {GENERAL: GENERAL_RECIPES}


def _rows(recipe: Recipe, package: str) -> Iterator[tuple[str, str]]:
    yield "source", recipe.source
    yield "networks", _list_networks(recipe, package)
    yield "training data", f"{' and '.join(' '.join(pair) for pair in recipe.train)}, {recipe.num_people:,} people"
    yield "input", f"{recipe.input}, {'BGR' if recipe.bgr else 'RGB'}"
    if recipe.precision != "float32":
        yield "precision", recipe.precision
    yield "length", f"{recipe.epochs} epochs of {recipe.num_people // recipe.batch:,} steps, batch size {recipe.batch}"
    yield "optimizer", format_optimizer(recipe.optimizer)
    yield "learning rate", format_schedule(recipe.schedule)
    yield "augmentation", f"{code(recipe.augmentation)}: {format_augmentation(recipe.augmentation)}"
    yield "crop", f"{code(recipe.crop)}, {CROP_RULES[recipe.crop].padding:g} times the person's box"
    yield "target", format_target(recipe.target)
    options = ", ".join(f"{name} = {value}" for name, value in recipe.loss_options.items())
    yield "loss", code(recipe.loss) + (f" with {options}" if options else "")
    alternatives = [name for name in ("scratch", *recipe.starts) if name != recipe.start]
    or_else = f"; or {', '.join(f'{code(name)}' for name in alternatives)}" if alternatives else ""
    yield "initial weights", f"{code(recipe.start)}{or_else}"
    yield "test", f"{' '.join(recipe.test)} under {code(recipe.protocol)}, every {recipe.evaluate_every} epochs"
    yield "reported epoch", REPORTS[recipe.reports]
    for number, line in enumerate(training_commands(recipe, package)):
        yield "" if number else "command", code(line)


def _list_networks(recipe: Recipe, package: str) -> str:
    if package == GENERAL:
        return "any network whose package has no recipe of its own for this data"
    return ", ".join(code(model) for model in recipe.models) or f"all of {code(package)}"


def training_commands(recipe: Recipe, package: str) -> list[str]:
    """Return the commands that train the first network of the recipe; a learning rate is found first where none is stated."""
    model = next(
        name
        for name in entries()
        if name in recipe.models or (not recipe.models and package in (GENERAL, name.partition("/")[0]))
    )
    line = f"python -m benchmark.train {model} --dataset {recipe.dataset} --recipe {recipe.name}"
    return [f"{line} --find-lr", line] if recipe.optimizer.lr is None else [line]


def format_optimizer(optimizer: Optimizer) -> str:
    """Format an optimizer as text."""
    rate = "maximum rate found by --find-lr" if optimizer.lr is None else f"maximum rate {optimizer.lr:g}"
    decay = f"weight decay {optimizer.weight_decay:g}"
    if optimizer.name == "sgd":
        return f"SGD, {rate}, momentum {optimizer.momentum:g}, {decay}"
    amsgrad = ", AMSGrad" if optimizer.amsgrad else ""
    return f"Adam, {rate}, betas {optimizer.betas[0]:g} and {optimizer.betas[1]:g}, {decay}{amsgrad}"


def format_schedule(schedule: Schedule) -> str:
    """Format a learning-rate schedule as text."""
    match schedule.kind:
        case "step":
            milestones = ", ".join(f"{milestone:,}" for milestone in schedule.milestones)
            text = f"times {schedule.factor:g} at {schedule.unit} {milestones}"
        case "cosine":
            text = "half a cosine down to zero"
        case "triangular":
            text = (
                f"triangular with a period of {schedule.cycle} epochs, between {schedule.min_lr_ratio:.3g} and 1 times the "
                f"maximum; both bounds approach {schedule.final_lr_ratio:.3g}"
            )
        case _:
            text = "constant"
    if schedule.warmup:
        text += f"; linear warm-up during the first {schedule.warmup} steps, from {schedule.warmup_factor:g} times the rate"
    return text


def format_augmentation(name: str) -> str:
    """Format the distributions that an augmentation draws from as text."""
    augmentation = AUGMENTATIONS[name]
    parts = [f"flipped with probability {augmentation.flip:g}"]
    normal = augmentation.distribution == "normal"
    if augmentation.scale:
        parts.append(f"scaled by 1 ± {augmentation.scale:g} ({'normal, clipped' if normal else 'uniform'})")
    if augmentation.rotation:
        largest = augmentation.largest_rotation
        drawn = f"normal with sigma {augmentation.rotation:g}°, clipped at {largest:g}°" if normal else "uniform"
        parts.append(f"rotated by up to {largest:g}° with probability {augmentation.rotation_probability:g} ({drawn})")
    if augmentation.half_body:
        parts.append(f"half-body augmentation with probability {augmentation.half_body:g}")
    return ", ".join(parts)


def format_target(target: Target) -> str:
    """Format a training target as text."""
    sigma = f"sigma {target.sigma:g} pixels"
    if target.sigma_schedule:
        sigma = "sigma decreasing over the epochs, and part affinity fields"
    return f"{code(target.style)} Gaussians at stride {target.stride}, {sigma}"


def _assumptions(recipe: Recipe) -> str:
    if not recipe.assumptions:
        return ""
    rows = [(assumption.unspecified, assumption.choice, assumption.source) for assumption in recipe.assumptions]
    return grid(("unspecified", "choice", "source"), rows)
