"""What a network is built from: its tasks, its inputs, and the parameters of its parts."""

from __future__ import annotations

from dataclasses import dataclass

from flairhub.catalog.modalities import INPUTS, MONO_INPUTS, SERIES_INPUTS
from flairhub.config.base import nearest
from flairhub.config.model import ModelParams, MonoModel, UtaeModel
from flairhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class InputSpec:
    """One input of a network."""

    channels: int
    """Bands that enter the network (for a series: of one date)."""
    height: int
    """Height of a patch, pixels."""
    width: int
    """Width of a patch, pixels."""

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1:
            raise ConfigurationError(
                f"Expected channels, height and width of an input to be at least 1, but got {self}."
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class NetworkSpec:
    """Everything that decides the structure of a network, and where its initial weights come from."""

    tasks: dict[str, int]
    """Task -> number of classes, in the order of the logits."""
    inputs: dict[str, InputSpec]
    """Modality -> input."""
    model: ModelParams
    """Parameters of the encoders, decoders and the regularisation."""
    auxiliary: tuple[str, ...] | None = None
    """Modalities with auxiliary decoders; null: every input, if `model.aux_decoders` and there are several inputs."""

    def __post_init__(self) -> None:
        if not self.tasks or not self.inputs:
            raise ConfigurationError(
                f"Expected a network with at least one task and one input, but got tasks {list(self.tasks)} "
                f"and inputs {list(self.inputs)}."
            )
        for name in (*self.inputs, *(self.auxiliary or ())):
            if name not in INPUTS:
                raise ConfigurationError(
                    f"Expected the name of an input modality, but got {name!r}{nearest(name, INPUTS)}"
                )
        for name in self.auxiliary or ():
            if name not in self.inputs:
                raise ConfigurationError(
                    f"Auxiliary decoder of {name}: it is not an input; inputs: {list(self.inputs)}."
                )

    @property
    def modalities(self) -> tuple[str, ...]:
        """Inputs in encoder order."""
        return tuple(name for name in INPUTS if name in self.inputs)

    @property
    def mono(self) -> tuple[str, ...]:
        """Mono-date inputs in encoder order; the first sets the resolution of the fusion."""
        return tuple(name for name in MONO_INPUTS if name in self.inputs)

    @property
    def series(self) -> tuple[str, ...]:
        """Time-series inputs in encoder order."""
        return tuple(name for name in SERIES_INPUTS if name in self.inputs)

    @property
    def auxiliary_modalities(self) -> tuple[str, ...]:
        """Modalities with auxiliary decoders, in encoder order."""
        if self.auxiliary is not None:
            return tuple(name for name in self.modalities if name in self.auxiliary)
        chosen = self.model.aux_decoders
        if isinstance(chosen, tuple):
            return tuple(name for name in self.modalities if name in chosen)
        return self.modalities if chosen and len(self.inputs) > 1 else ()

    @property
    def mono_model(self) -> MonoModel:
        """Parameters of the mono-date branch.

        Raises:
            ConfigurationError: a mono-date input has none.
        """
        if self.model.mono is None:
            raise ConfigurationError(f"Expected `model.mono` for the inputs {list(self.mono)}, but it is null.")
        return self.model.mono

    @property
    def utae_model(self) -> UtaeModel:
        """Parameters of the time-series branch.

        Raises:
            ConfigurationError: a series has none.
        """
        if self.model.utae is None:
            raise ConfigurationError(f"Expected `model.utae` for the series {list(self.series)}, but it is null.")
        return self.model.utae

    @property
    def total_classes(self) -> int:
        """Classes of all tasks together: the channels of a U-TAE's logits."""
        return sum(self.tasks.values())
