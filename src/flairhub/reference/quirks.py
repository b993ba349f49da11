"""Where the reference is wrong and results depend on it: what it does, what is done here, and the key between them.

`quirks: auto` (or no such key) keeps those that a weights file of the reference was trained with - such weights expect
them - and has none of the others; `true` and `false` mean all and none; a mapping says it name by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flairhub.config.base import nearest
from flairhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Quirk:
    """One defect of the reference."""

    name: str
    was: str
    """What the reference does."""
    now: str
    """What is done without the quirk."""
    of_weights: bool
    """Whether weights trained with it expect it in prediction; else it only matters to a training."""


_ALL = (
    Quirk(
        name="statistics_by_position",
        was="means and stds listed per band of the file are applied to the chosen channels by position",
        now="each channel gets the mean and std of its own band",
        of_weights=True,
    ),
    Quirk(
        name="zero_dates",
        was="a date of a series that is zero in every band and pixel counts as padding",
        now="a date of zeros is a measurement; padding has a mask of its own",
        of_weights=True,
    ),
    Quirk(
        name="counted_padding",
        was="padding enters the normalisation before the temporal attention, so that a result depends on its batch",
        now="padding enters nothing",
        of_weights=True,
    ),
    Quirk(
        name="empty_slots",
        was="a month without acquisition repeats the one before, or is zeros at the front, and counts",
        now="a month without acquisition has no date",
        of_weights=True,
    ),
    Quirk(
        name="appended_classes",
        was="classes are appended to the configured out_conv, which keeps a bottleneck of another number of classes",
        now="the configured number of classes is replaced by the task's",
        of_weights=True,
    ),
    Quirk(
        name="weighted_selection",
        was="it is the IoU of all classes weighted by their pixels",
        now="val_miou, which chooses the checkpoint, is the mean IoU of the scored classes, as it is reported",
        of_weights=False,
    ),
    Quirk(
        name="unused_aux_losses",
        was="they are computed and never added",
        now="auxiliary losses are added with aux_loss_weight",
        of_weights=False,
    ),
    Quirk(
        name="even_dropout",
        was="once any modality_dropout is above 0, every modality is dropped in half of the steps",
        now="each modality is dropped with its own probability, and never all of a sample's",
        of_weights=False,
    ),
    Quirk(
        name="fixed_patience",
        was="the plateau of a schedule waits 10 epochs, whatever plateau_patience says",
        now="plateau_patience is obeyed",
        of_weights=False,
    ),
    Quirk(
        name="undecayed_sgd",
        was="sgd ignores optim_weight_decay",
        now="sgd obeys optim_weight_decay",
        of_weights=False,
    ),
)

QUIRKS: dict[str, Quirk] = {quirk.name: quirk for quirk in _ALL}
"""By name."""


def resolved(
    asked: Mapping[str, bool], *, of_reference: bool, known: Mapping[str, bool] | None = None
) -> dict[str, bool]:
    """Name -> kept or not.

    Args:
        asked: from `read_quirks`.
        of_reference: weights are given and nobody but the reference can have trained them.
        known: what weights of ours say of themselves; it goes before the automatic choice.
    """
    automatic = {name: quirk.of_weights and of_reference for name, quirk in QUIRKS.items()}
    return {**automatic, **(known or {}), **asked}


def read_quirks(value: Any, file: str) -> dict[str, bool]:
    """The key `quirks`: name -> kept or not, where the configuration says so; the others are automatic.

    Raises:
        ConfigurationError: it is neither of auto, true, false, nor a mapping of known names to true or false.
    """
    if value is None or value == "auto":
        return {}
    if isinstance(value, bool):
        return dict.fromkeys(QUIRKS, value)
    if not isinstance(value, Mapping):
        raise ConfigurationError(
            f"{file}: expected `quirks` to be auto, true, false or a mapping of names, but got {value!r}."
        )
    for name, kept in value.items():
        if name not in QUIRKS:
            raise ConfigurationError(f"{file}: unknown key `quirks.{name}`{nearest(str(name), QUIRKS)}")
        if not isinstance(kept, bool):
            raise ConfigurationError(f"{file}: expected `quirks.{name}` to be true or false, but got {kept!r}.")
    return dict(value)
