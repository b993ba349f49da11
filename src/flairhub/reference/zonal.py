"""The reference's configuration of its zonal tool, read as it is.

Its keys say what a model expects beside what a user wants, because its weights files say nothing. Where weights carry a
contract, or are a published file, the contract goes before the configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from flairhub.catalog.modalities import HEIGHT, INPUTS, MODALITIES
from flairhub.catalog.taxonomies import LPIS, taxonomy
from flairhub.config.base import Section, build, nearest
from flairhub.config.inputs import CloudFilter, Preprocessing
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.models.published import PUBLISHED_ARCH, published_model
from flairhub.reference.folder import read_mapping
from flairhub.weights.contract import ModalityContract, TaskContract, WeightsContract

PUBLISHED_FILTER = CloudFilter(enabled=True, max_cloud=1, max_snow=1, max_fraction_covered=0.05)
"""The thresholds that the reference has in its code."""


class _Foreign(Section):
    """A section of somebody else's file: keys that we do not know are kept, and named to the user."""

    model_config = ConfigDict(extra="allow", frozen=True, protected_namespaces=(), use_attribute_docstrings=True)


class Normalization(_Foreign):
    """How an input is scaled."""

    type: Literal["custom", "scaling", "without"] | None = None
    means: tuple[float, ...] | None = None
    """In the order of `channels`."""
    stds: tuple[float, ...] | None = None


class ZonalInput(_Foreign):
    """One input."""

    input_img_path: str = ""
    channels: tuple[int, ...] = ()
    """1-based bands of the raster, in the order of the network."""
    normalization: Normalization | None = None
    calc_elevation: bool = False
    calc_elevation_stack_dsm: bool = False
    dates_txt: str | None = None
    filter_clouds: bool = False
    filter_clouds_img_path: str | None = None
    temporal_average: bool | str | None = None
    average_period: str | None = None


class ZonalTask(_Foreign):
    """One task."""

    name: str
    active: bool = True
    class_names: dict[int, str] = Field(default_factory=dict)


class ZonalConfig(_Foreign):
    """The whole file."""

    output_path: str
    output_name: str
    write_dataframe: bool = False
    output_type: Literal["argmax", "class_prob"] = "argmax"
    cog_conversion: bool = False
    model_weights: str
    use_gpu: bool = True
    batch_size: int = Field(default=1, ge=1)
    num_worker: int = Field(default=0, ge=0)
    img_pixels_detection: int = Field(ge=1)
    margin: int = Field(ge=0)
    output_px_meters: float | None = Field(default=None, gt=0)
    monotemp_arch: str | None = None
    multitemp_model_ref_date: str = "05-15"
    modalities: dict[str, Any]
    tasks: tuple[ZonalTask, ...]


@dataclass(frozen=True, slots=True)
class ReadConfig:
    """A configuration that was read."""

    config: ZonalConfig
    inputs: dict[str, ZonalInput]
    """Active inputs, in encoder order."""
    tasks: tuple[ZonalTask, ...]
    """Active tasks."""
    unknown: tuple[str, ...]
    """Dotted keys that mean nothing here."""


def read_zonal_config(path: Path) -> ReadConfig:
    """Read a configuration file.

    Raises:
        MissingFileError: there is none.
        ConfigurationError: a value does not fit, an input or a task has no such name, none is active, or the margin
            leaves nothing of a tile.
    """
    if not path.is_file():
        raise MissingFileError(f"Expected a configuration file of the zonal tool, but {path} does not exist.")
    config = build(ZonalConfig, read_mapping(path), str(path))
    if 2 * config.margin >= config.img_pixels_detection:
        raise ConfigurationError(
            f"{path}: expected a margin below half of img_pixels_detection ({config.img_pixels_detection}), but got "
            f"{config.margin}; give at most {(config.img_pixels_detection - 1) // 2}."
        )
    inputs = _inputs(config, path)
    tasks = tuple(task for task in config.tasks if task.active)
    if not tasks:
        raise ConfigurationError(f"{path}: expected an active task, but none of {len(config.tasks)} is.")
    sections: dict[str, _Foreign] = {"": config}
    sections |= {f"modalities.{name}.": item for name, item in inputs.items()}
    unknown = tuple(f"{place}{key}" for place, section in sections.items() for key in section.model_extra or {})
    return ReadConfig(config, inputs, tasks, unknown)


def _inputs(config: ZonalConfig, path: Path) -> dict[str, ZonalInput]:
    switches = config.modalities.get("inputs")
    if not isinstance(switches, Mapping):
        raise ConfigurationError(f"{path}: expected `modalities.inputs` with True or False per input, but got none.")
    for name in (*switches, *(key for key in config.modalities if key != "inputs")):
        if name not in INPUTS:
            raise ConfigurationError(f"{path}: expected the name of an input, but got {name!r}{nearest(name, INPUTS)}")
    active = [name for name in INPUTS if switches.get(name)]
    if not active:
        raise ConfigurationError(f"{path}: expected an active input in `modalities.inputs`, but none is.")
    inputs = {}
    for name in active:
        section = config.modalities.get(name)
        if not isinstance(section, Mapping):
            raise ConfigurationError(f"{path}: expected a section `modalities.{name}`, because it is active.")
        item = build(ZonalInput, section, f"{path}, modalities.{name}")
        if not item.input_img_path:
            raise ConfigurationError(f"{path}: expected `modalities.{name}.input_img_path`, because it is active.")
        inputs[name] = item
    return inputs


def config_contract(read: ReadConfig, weights: Path) -> WeightsContract:
    """The contract that a configuration gives to weights without one.

    Args:
        read: the configuration.
        weights: whose name the contract takes.

    Raises:
        ConfigurationError: channels, statistics or class names fit no input or taxonomy.
    """
    return WeightsContract(
        row=weights.stem,
        row_key="",
        modalities={name: _modality(name, item) for name, item in read.inputs.items()},
        tasks={task.name: _task(task) for task in read.tasks},
        ref_date=read.config.multitemp_model_ref_date,
        model=published_model(read.config.monotemp_arch or PUBLISHED_ARCH)
        .model_copy(update={"ref_date": read.config.multitemp_model_ref_date})
        .model_dump(mode="json"),
        preprocessing=config_preprocessing(read).model_dump(mode="json"),
        data_sha256="",
        code_sha256="",
    )


def config_preprocessing(read: ReadConfig) -> Preprocessing:
    """Height, cloud filter and temporal averages as the configuration has them."""
    elevation = read.inputs.get("DEM_ELEV", ZonalInput())
    optical = read.inputs.get("SENTINEL2_TS", ZonalInput())
    radar = [item for name, item in read.inputs.items() if name.startswith("SENTINEL1")]
    return Preprocessing(
        calc_elevation=elevation.calc_elevation,
        calc_elevation_stack_dsm=elevation.calc_elevation_stack_dsm,
        filter_sentinel2=PUBLISHED_FILTER.model_copy(update={"enabled": optical.filter_clouds}),
        temporal_average_sentinel2=_average(optical),
        temporal_average_sentinel1=next((each for each in map(_average, radar) if each is not None), None),
        max_dates=None,
    )


def _average(item: ZonalInput) -> Literal["monthly", "semi-monthly"] | None:
    asked = item.temporal_average
    if not asked:
        return None
    words = f"{asked} {item.average_period or ''}"
    return "semi-monthly" if "semi" in words else "monthly"


def _modality(name: str, item: ZonalInput) -> ModalityContract:
    known = MODALITIES[name]
    if name == "DEM_ELEV" and item.calc_elevation:
        bands: tuple[str, ...] = ("DSM", HEIGHT) if item.calc_elevation_stack_dsm else (HEIGHT,)
    else:
        wrong = [channel for channel in item.channels if not 1 <= channel <= len(known.bands)]
        if wrong or not item.channels:
            raise ConfigurationError(
                f"modalities.{name}.channels: expected numbers of its bands, 1 to {len(known.bands)} "
                f"({', '.join(known.bands)}), but got {list(item.channels)}."
            )
        bands = tuple(known.bands[channel - 1] for channel in item.channels)
    scale = item.normalization or Normalization()
    custom = scale.type == "custom"
    means, stds = (scale.means, scale.stds) if custom else (None, None)
    if custom and (means is None or stds is None or not len(bands) == len(means) == len(stds)):
        raise ConfigurationError(
            f"modalities.{name}.normalization: expected a mean and a standard deviation for each of "
            f"{', '.join(bands)}, but got {means} and {stds}."
        )
    return ModalityContract(
        bands=bands,
        dtype=known.dtype,
        unit=known.unit,
        gsd_m=known.gsd_m,
        height=known.size_px,
        width=known.size_px,
        normalisation=scale.type or "without",
        means=means,
        stds=stds,
        scale=255.0 if scale.type == "scaling" else None,
    )


def _task(task: ZonalTask) -> TaskContract:
    levels = (1, 2, 3) if task.name == LPIS else (1,)
    candidates = [taxonomy(task.name, level) for level in levels]
    nomenclature = next((each for each in candidates if each.num_classes == len(task.class_names)), None)
    if nomenclature is None:
        sizes = ", ".join(str(each.num_classes) for each in candidates)
        raise ConfigurationError(
            f"tasks {task.name}: expected {sizes} class_names, as the data set has, but got {len(task.class_names)}."
        )
    return TaskContract(level=nomenclature.level, classes=nomenclature.classes, scored=nomenclature.scored)
