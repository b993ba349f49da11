"""Which channels the networks get, by band NAME, never by position."""

from __future__ import annotations

from flairhub.catalog.modalities import HEIGHT, MODALITIES
from flairhub.config.recipe import InputRecipe
from flairhub.errors import ConfigurationError

ELEVATION = "DEM_ELEV"
"""The modality from which heights are computed."""


def network_channels(recipe: InputRecipe) -> dict[str, tuple[str, ...]]:
    """Band names that the network gets from each modality, in its order.

    With `preprocessing.calc_elevation`, DEM_ELEV gives the height DSM - DTM (name HEIGHT), after the DSM if it is
    to be stacked; `channels.DEM_ELEV` then has no effect. All else follows `channels`.
    """
    return {modality: _channels(recipe, modality) for modality in recipe.modalities}


def read_bands(recipe: InputRecipe) -> dict[str, tuple[str, ...]]:
    """Bands of each modality's files that its channels are made of, in the order of the files."""
    return {
        modality: tuple(band for band in MODALITIES[modality].bands if HEIGHT in channels or band in channels)
        for modality, channels in network_channels(recipe).items()
    }


def _channels(recipe: InputRecipe, modality: str) -> tuple[str, ...]:
    if modality == ELEVATION and recipe.preprocessing.calc_elevation:
        return ("DSM", HEIGHT) if recipe.preprocessing.calc_elevation_stack_dsm else (HEIGHT,)
    known = MODALITIES[modality].bands
    chosen = recipe.channels.get(modality, ())
    if not chosen or not set(chosen) <= set(known):
        raise ConfigurationError(
            f"Row {recipe.row}: expected channels of {modality} out of {', '.join(known)}, but got {list(chosen)}."
        )
    return chosen
