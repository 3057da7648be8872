"""How each network is trained: every recipe in full, and what stood open in its source."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from benchmark.config.packages import declarations
from benchmark.config.pipeline import AUGMENTATIONS, CROP_RULES
from benchmark.config.recipes import GENERAL_RECIPES, Optimizer, Recipe, Schedule, Target
from benchmark.models.registry import entries
from benchmark.report.markdown import grid, page

GENERALLY = "Of this project"
REPORTS = {"best": "the best of the epochs tested, chosen on the very persons it is tested on", "last": "the last epoch"}


def recipes_page() -> str:
    """``reports/recipes.md``, from the packages' ``RECIPES``."""
    blocks = [
        "# How networks are trained",
        "A recipe is everything that a training run depends on but the network, the photographs and the seed. Whatever its "
        "source leaves open is a gap with a name, and what stands in it says where it comes from. A record of a training "
        "names its recipe; the digest changes with whatever decides the outcome.",
    ]
    for package, listed in recipes_by_package().items():
        blocks.append(f"## {package}")
        untrained = {} if package == GENERALLY else declarations()[package].untrained
        if untrained:
            blocks += ["Without a recipe:", "\n".join(f"- `{model}`: {why}" for model, why in untrained.items())]
        for recipe in listed.values():
            blocks += [
                f"### `{recipe.name}`",
                grid(("", f"version {recipe.version}, digest `{recipe.digest()}`"), _rows(recipe, package)),
                _gaps(recipe),
            ]
    return page(*blocks)


def recipes_by_package() -> dict[str, Mapping[str, Recipe]]:
    """Recipes by their package's name, those for any network last."""
    found = {name: package.recipes for name, package in declarations().items()}
    return {name: listed for name, listed in found.items() if listed} | {GENERALLY: GENERAL_RECIPES}


def _rows(recipe: Recipe, package: str) -> Iterator[tuple[str, str]]:
    yield "source", recipe.source
    yield "for", _for(recipe, package)
    yield "trains on", f"{' and '.join(' '.join(pair) for pair in recipe.train)}, {recipe.num_people:,} persons"
    yield "input", f"{recipe.input}, {'blue' if recipe.bgr else 'red'} first"
    yield "length", f"{recipe.epochs} epochs of {recipe.num_people // recipe.batch:,} steps of {recipe.batch} persons"
    yield "optimizer", optimizer(recipe.optimizer)
    yield "learning rate", schedule(recipe.schedule)
    yield "augmentation", f"`{recipe.augmentation}`: {augmentation(recipe.augmentation)}"
    yield "crop", f"`{recipe.crop}`, {CROP_RULES[recipe.crop].padding:g} times the person's box"
    yield "target", target(recipe.target)
    options = ", ".join(f"{name} = {value}" for name, value in recipe.loss_options.items())
    yield "loss", f"`{recipe.loss}`" + (f" with {options}" if options else "")
    others = [name for name in ("scratch", *recipe.starts) if name != recipe.start]
    yield "starts from", f"`{recipe.start}`" + (f"; or {', '.join(f'`{name}`' for name in others)}" if others else "")
    yield "tested on", f"{' '.join(recipe.test)} under `{recipe.protocol}`, every {recipe.evaluate_every} epochs"
    yield "reports", REPORTS[recipe.reports]
    for number, line in enumerate(commands(recipe, package)):
        yield "" if number else "command", f"`{line}`"


def _for(recipe: Recipe, package: str) -> str:
    if package == GENERALLY:
        return "any network whose package has no recipe of its own for this data"
    return ", ".join(f"`{model}`" for model in recipe.models) or f"all of `{package}`"


def commands(recipe: Recipe, package: str) -> list[str]:
    """How to train the first network that the recipe is for: on a line of its own what must be done before."""
    name = next(
        model
        for model in entries()
        if model in recipe.models or (not recipe.models and package in (GENERALLY, model.partition("/")[0]))
    )
    line = f"python -m benchmark.train {name} --dataset {recipe.dataset} --recipe {recipe.name}"
    return [f"{line} --find-lr", line] if recipe.optimizer.lr is None else [line]


def optimizer(chosen: Optimizer) -> str:
    """For reading."""
    rate = "largest rate to be found" if chosen.lr is None else f"largest rate {chosen.lr:g}"
    if chosen.name == "sgd":
        return f"SGD, {rate}, momentum {chosen.momentum:g}, weight decay {chosen.weight_decay:g}"
    amsgrad = ", AMSGrad" if chosen.amsgrad else ""
    return f"Adam, {rate}, betas {chosen.betas[0]:g} and {chosen.betas[1]:g}, weight decay {chosen.weight_decay:g}{amsgrad}"


def schedule(chosen: Schedule) -> str:
    """For reading."""
    match chosen.kind:
        case "step":
            at = f"times {chosen.factor:g} at {chosen.unit} " + ", ".join(f"{milestone:,}" for milestone in chosen.milestones)
        case "cosine":
            at = "half a cosine down to nothing"
        case "triangular":
            at = (
                f"up and down within {chosen.cycle} epochs between {chosen.min_lr_ratio:.3g} and 1 times the largest, "
                f"both approaching {chosen.final_lr_ratio:.3g}"
            )
        case _:
            at = "constant"
    warmup = f"; first {chosen.warmup} steps of linear warm-up from {chosen.warmup_factor:g}" if chosen.warmup else ""
    return at + warmup


def augmentation(name: str) -> str:
    """The distributions that views are drawn from, for reading."""
    chosen = AUGMENTATIONS[name]
    parts = [f"mirrored with probability {chosen.flip:g}"]
    normal = chosen.distribution == "normal"
    if chosen.scale:
        parts.append(f"scaled by 1 ± {chosen.scale:g}" + (" (normal, cut off there)" if normal else " (even)"))
    if chosen.rotation:
        spread = f"normal of {chosen.rotation:g}°, cut off at {chosen.largest_rotation:g}°" if normal else "even"
        parts.append(
            f"turned by up to {chosen.largest_rotation:g}° with probability {chosen.rotation_probability:g} ({spread})"
        )
    if chosen.half_body:
        parts.append(f"half the body with probability {chosen.half_body:g}")
    return ", ".join(parts)


def target(chosen: Target) -> str:
    """For reading."""
    sigma = (
        "sigma narrowing with the epochs, and part affinity fields"
        if chosen.sigma_schedule
        else f"sigma {chosen.sigma:g} pixels"
    )
    return f"`{chosen.style}` Gaussians at stride {chosen.stride}, {sigma}"


def _gaps(recipe: Recipe) -> str:
    if not recipe.assumptions:
        return ""
    return grid(
        ("left open", "what stands there", "where from"),
        [(gap.unspecified, gap.choice, gap.source) for gap in recipe.assumptions],
    )
