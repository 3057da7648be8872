"""Choose the learning rate of each family of variants, and check the length of its training, on people held out of training.

This module does not import torch, because the report uses it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from benchmark.config.ablations import BUDGETS, Ablation, Trial, Variant, family_variant, variant_model, variant_recipe
from benchmark.config.identities import accuracy_identity, training_setting
from benchmark.core.records import Record, record_id

RATES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # factors of a recipe's learning rate
FIRST_RATES = (0.3, 1.0, 3.0)  # further ones are tried while the best is the lowest or highest of those tried
MAX_GAIN = 1.0  # points that a third more epochs may gain where a training counts as long enough
TRIAL_METRIC = "pck@0.2"
TRIAL_SEED = 0


@dataclass(frozen=True)
class Trials:
    """The trials of a family of variants under a protocol: PCK@0.2 of the people held out, in percent.

    Attributes:
        model: Base model of the family.
        overrides: What else distinguishes the family, by name of a recipe's field.
        accuracies: By factor of the learning rate.
        longer: At the best rate with a third more epochs; None if it was not tried.
    """

    model: str
    overrides: Mapping[str, str]
    accuracies: Mapping[float, float]
    longer: float | None

    def best_rate(self) -> float | None:
        """Return the best factor of the learning rate; None unless a lower and a higher one were tried and are no better."""
        best = max(self.accuracies, key=lambda rate: self.accuracies[rate], default=None)
        return None if best is None or best in (min(self.accuracies), max(self.accuracies)) else best

    def untried_rates(self) -> list[float]:
        """List the factors to be tried next: the first ones, then one beyond the best; none at the end of the range."""
        if missing := [rate for rate in FIRST_RATES if rate not in self.accuracies]:
            return missing
        if self.best_rate() is not None:
            return []
        tried = [RATES.index(rate) for rate in self.accuracies]
        best = RATES.index(max(self.accuracies, key=lambda rate: self.accuracies[rate]))
        beyond = best - 1 if best == min(tried) else best + 1
        return [RATES[beyond]] if 0 <= beyond < len(RATES) else []

    def gain(self) -> float | None:
        """Return the points that a third more epochs gain at the best rate; None if it was not tried."""
        rate = self.best_rate()
        return None if self.longer is None or rate is None else self.longer - self.accuracies[rate]

    def obstacles(self) -> list[str]:
        """List why comparisons of the family's variants cannot be judged; empty if they can."""
        name = f"`{self.model}`" + "".join(f", {value}" for value in self.overrides.values())
        if self.best_rate() is None:
            tried = ", ".join(f"x{rate:g}" for rate in sorted(self.accuracies)) or "none"
            return [f"the best learning rate of {name} is not inside those tried ({tried})"]
        gain = self.gain()
        if gain is None:
            return [f"the training length of {name} was not checked"]
        return [f"a third more epochs gain {name} {gain:.1f} points"] if gain >= MAX_GAIN else []


def family_trials(ablation: Ablation, variant: Variant, protocol: str, records: Mapping[str, Record]) -> Trials:
    """Return the trials on record of a variant's family."""
    family = family_variant(variant)
    accuracies = {
        rate: value
        for rate in RATES
        if (value := _trial_accuracy(ablation, family, protocol, rate, "rate", records)) is not None
    }
    overrides = variant_recipe(ablation, family, protocol)[1]
    trials = Trials(variant_model(ablation, family, protocol), overrides, accuracies, None)
    rate = trials.best_rate()
    if rate is None:
        return trials
    return Trials(trials.model, overrides, accuracies, _trial_accuracy(ablation, family, protocol, rate, "length", records))


def _trial_accuracy(
    ablation: Ablation, family: Variant, protocol: str, rate: float, trial: Trial, records: Mapping[str, Record]
) -> float | None:
    recipe, overrides = variant_recipe(ablation, family, protocol, rate, trial)
    setting = training_setting(recipe, recipe.start, overrides, rate)
    model = variant_model(ablation, family, protocol)
    record = records.get(record_id(accuracy_identity(model, recipe, setting, TRIAL_METRIC, TRIAL_SEED)))
    return None if record is None else float(record.value)


def planned_rate(ablation: Ablation, variant: Variant, protocol: str, records: Mapping[str, Record]) -> float | None:
    """Return the factor of the learning rate that a variant is trained with; None while its trials do not show the best one."""
    if not BUDGETS[protocol].held_out or variant.scale or variant.weights:
        return 1.0
    return family_trials(ablation, variant, protocol, records).best_rate()
