"""The tests of a row with less input than it was trained with."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.recipe import Recipe
from flairhub.config.training import RobustnessParams
from flairhub.errors import ConfigurationError
from flairhub.records.inputs import RowInputs


@dataclass(frozen=True, slots=True, kw_only=True)
class Variant:
    """One test: without some inputs, or with few dates."""

    mask: tuple[str, ...] = ()
    """Inputs whose features are replaced as in modality dropout, in encoder order."""
    dates: int | None = None
    """Dates kept of each series, evenly spread; None: as the row."""

    @property
    def name(self) -> str:
        """E.g. `without DEM_ELEV` or `at most 4 dates`."""
        if self.mask:
            return f"without {' + '.join(self.mask)}"
        return f"at most {self.dates} date{'' if self.dates == 1 else 's'}"

    def applied(self, inputs: RowInputs) -> RowInputs:
        """Inputs of the row with the limit on dates, which comes after the cloud filter and before averages."""
        if self.dates is None:
            return inputs
        preprocessing = inputs.recipe.preprocessing.model_copy(update={"max_dates": self.dates})
        return replace(inputs, recipe=inputs.recipe.model_copy(update={"preprocessing": preprocessing}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Variants:
    """The tests of one row."""

    tests: tuple[Variant, ...]
    not_applicable: tuple[str, ...]
    """Names of those that the parameters ask for and the row has not the inputs or dates for."""


def variants_of(recipe: Recipe, params: RobustnessParams) -> Variants:
    """The tests that the parameters mean for a row.

    Args:
        recipe: of the row.
        params: `evaluate.robustness` of the row.

    Raises:
        ConfigurationError: a mask would leave the row without any input.
    """
    wanted = list(dict.fromkeys([*_masks(recipe, params), *(Variant(dates=number) for number in params.dates)]))
    tests = tuple(variant for variant in wanted if _applies(variant, recipe))
    return Variants(tests=tests, not_applicable=tuple(variant.name for variant in wanted if variant not in tests))


def _masks(recipe: Recipe, params: RobustnessParams) -> Iterator[Variant]:
    if params.mask == "none":
        return
    if params.mask == "each":
        for modality in recipe.modalities if len(recipe.modalities) > 1 else ():
            yield Variant(mask=(modality,))
        return
    for names in params.mask:
        if set(names) >= set(recipe.modalities):
            raise ConfigurationError(
                f"evaluate.robustness.mask: expected to leave row {recipe.row} at least one input, but {list(names)} "
                f"masks all of its {len(recipe.modalities)} ({', '.join(recipe.modalities)}); take it out for this row "
                f"(rows.{recipe.row}.evaluate.robustness.mask)."
            )
        order = {name: place for place, name in enumerate(MODALITIES)}
        yield Variant(mask=tuple(sorted(set(names), key=order.__getitem__)))


def _applies(variant: Variant, recipe: Recipe) -> bool:
    if variant.dates is None:
        return bool(variant.mask) and set(variant.mask) <= set(recipe.modalities)
    limit = recipe.preprocessing.max_dates
    series = any(MODALITIES[name].is_series for name in recipe.modalities)
    return series and (limit is None or variant.dates < limit)
