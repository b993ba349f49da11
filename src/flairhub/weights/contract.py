"""The contract of a weights file: what inference has to know before it may use the weights."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, get_type_hints

from flairhub.config.base import build
from flairhub.config.model import ModelParams
from flairhub.errors import IntegrityError
from flairhub.models.spec import InputSpec, NetworkSpec
from flairhub.records.environment import TrainingEnvironment
from flairhub.records.probe import Adoption

FORMAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModalityContract:
    """What a network expects of one input, in network order."""

    bands: tuple[str, ...]
    """Band names in the order of the channels."""
    dtype: str
    """NumPy dtype of the files, e.g. `uint8`."""
    unit: str
    """Physical unit of the files' values."""
    gsd_m: float
    """Ground sampling distance, metres."""
    height: int
    """Height of a patch, pixels."""
    width: int
    """Width of a patch, pixels."""
    normalisation: str
    """`custom`: (x - mean) / std, `scaling`: x / scale, `without`."""
    means: tuple[float, ...] | None = None
    """Per band, for `custom`."""
    stds: tuple[float, ...] | None = None
    """Per band, for `custom`."""
    scale: float | None = None
    """For `scaling`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskContract:
    """What a network predicts for one task."""

    level: int
    """Nomenclature level."""
    classes: tuple[str, ...]
    """Class names; the position is the value of the class map."""
    scored: tuple[int, ...]
    """Classes that were learnt and are scored."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WeightsContract:
    """What inference has to know of a weights file; kept in its metadata as JSON strings."""

    row: str
    """Row identifier."""
    row_key: str
    """Key of the training: data, parameters and code in one hash."""
    modalities: dict[str, ModalityContract]
    """In encoder order."""
    tasks: dict[str, TaskContract]
    """In the order of training."""
    ref_date: str
    """MM-DD to which day offsets refer."""
    model: dict[str, Any]
    """Parameters of the network (`ModelParams` as plain data)."""
    preprocessing: dict[str, Any] = field(default_factory=dict)
    """Parameters of the pre-processing as plain data."""
    auxiliary: tuple[str, ...] | None = None
    """Modalities with auxiliary decoders; null: as `model.aux_decoders` says."""
    data_sha256: str
    """Hash of the row's inputs."""
    code_sha256: str
    """Fingerprint of the code that trained."""
    environment: TrainingEnvironment | None = None
    """What trained; None where the weights were given, or are older than this field."""
    adoptions: tuple[Adoption, ...] = ()
    """Codes that the result was carried along since it was trained, oldest first."""

    def to_metadata(self) -> dict[str, str]:
        """Metadata of a safetensors file: every field as JSON; strings as they are."""
        plain = dataclasses.asdict(self)
        values = {
            name: value if isinstance(value, str) else json.dumps(value, sort_keys=True, allow_nan=False)
            for name, value in plain.items()
        }
        # Order matters in a network; sorted keys lose it.
        values["modality_order"] = json.dumps(list(self.modalities), allow_nan=False)
        values["task_order"] = json.dumps(list(self.tasks), allow_nan=False)
        return {"format": str(FORMAT), **values}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str], where: str) -> WeightsContract:
        """Parse metadata.

        Raises:
            IntegrityError: the file carries no contract, or one of another format.
        """
        names = [item.name for item in dataclasses.fields(cls)]
        required = [name for name in names if name not in {"environment", "adoptions"}]
        missing = [name for name in ("format", *required, "modality_order", "task_order") if name not in metadata]
        if missing or metadata["format"] != str(FORMAT):
            raise IntegrityError(
                f"{where}: expected weights with a contract of format {FORMAT} in their metadata, but "
                + (f"{', '.join(missing)} is missing" if missing else f"it has format {metadata['format']}")
                + "; published files have their contract in the catalog, others need one given."
            )
        strings = {name for name, hint in get_type_hints(cls).items() if hint is str}
        values: dict[str, Any] = {
            name: metadata[name] if name in strings else json.loads(metadata[name])
            for name in names
            if name in metadata
        }
        for name, kind, order in (
            ("modalities", ModalityContract, "modality_order"),
            ("tasks", TaskContract, "task_order"),
        ):
            values[name] = {key: _parse(kind, values[name][key]) for key in json.loads(metadata[order])}
        if values["auxiliary"] is not None:
            values["auxiliary"] = tuple(values["auxiliary"])
        if values.get("environment") is not None:
            values["environment"] = TrainingEnvironment(**values["environment"])
        values["adoptions"] = tuple(
            Adoption(**each | {"because": tuple(each.get("because", ()))}) for each in values.get("adoptions", ())
        )
        return cls(**values)

    def network_spec(self) -> NetworkSpec:
        """The network these weights belong to, for the patch sizes they were trained on."""
        return NetworkSpec(
            tasks={name: len(task.classes) for name, task in self.tasks.items()},
            inputs={
                name: InputSpec(channels=len(item.bands), height=item.height, width=item.width)
                for name, item in self.modalities.items()
            },
            model=build(ModelParams, self.model, f"weights of row {self.row}"),
            auxiliary=self.auxiliary,
        )


def _parse(kind: type[Any], values: dict[str, Any]) -> Any:
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})
