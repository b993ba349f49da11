"""Every key of the reference's training configuration: its README, its example files, and older spellings of both.

Keys that the reference has not got are marked "ours"; they change nothing unless they are given.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, NonNegativeFloat

from flairhub.config.base import Section


def _or_none(value: Any) -> Any:
    return None if isinstance(value, str) and value in {"", "None", "none"} else value


def _or_empty(value: Any) -> Any:
    return {} if value is None else value


OptionalPath = Annotated[str | None, BeforeValidator(_or_none)]
Average = Annotated[
    Literal["monthly", "semi-monthly"] | None,
    BeforeValidator(lambda value: None if value is False else _or_none(value)),
]
Weights = Annotated[dict[int, NonNegativeFloat], BeforeValidator(_or_empty)]


class Paths(Section):
    """`paths`."""

    out_folder: str = Field(min_length=1)
    """Folder of all results."""
    out_model_name: str = Field(min_length=1)
    """Name of the folder below it, and a part of most file names."""
    train_csv: OptionalPath = None
    val_csv: OptionalPath = None
    test_csv: OptionalPath = None
    global_mtd_folder: OptionalPath = None
    """Folder, or its archive, of the GeoPackages with acquisition dates."""
    ckpt_model_path: OptionalPath = None
    """Weights to predict with, to start from or to resume."""
    data_root: OptionalPath = None
    """Ours: folder in which the archives are looked for, whatever the CSV files put in front of them."""
    path_metadata_aerial: OptionalPath = None
    """Of older versions; never read there."""


class TrainTasks(Section):
    """`tasks.train_tasks`."""

    init_weights_only_from_ckpt: bool = False
    resume_training_from_ckpt: bool = False


class Tasks(Section):
    """`tasks`."""

    train: bool = False
    train_tasks: TrainTasks = TrainTasks()
    predict: bool = False
    write_files: bool = True
    georeferencing_output: bool = True
    metrics_only: bool = False


class Hyperparams(Section):
    """`hyperparams`."""

    num_epochs: int = Field(ge=1)
    batch_size: int = Field(ge=1)
    """Patches per device and step."""
    seed: int = Field(ge=0)
    learning_rate: float = Field(gt=0)
    optimizer: Literal["adamw", "adam", "sgd"] = "adamw"
    optim_weight_decay: float = Field(default=0.01, ge=0)
    optim_betas: tuple[float, float] = (0.9, 0.999)
    scheduler: Annotated[
        Literal["one_cycle_lr", "reduce_on_plateau", "cycle_then_plateau"] | None, BeforeValidator(_or_none)
    ] = None
    warmup_fraction: float = Field(default=0.0, ge=0, lt=1)
    plateau_patience: int = Field(default=10, ge=0)


class Hardware(Section):
    """`hardware`."""

    accelerator: Literal["gpu", "cpu", "auto", "cuda", "mps"] = "auto"
    num_nodes: int = Field(default=1, ge=1)
    gpus_per_node: int = Field(default=1, ge=1)
    strategy: str = "auto"
    """Lightning's name of it. Ours is chosen by the number of devices."""
    num_workers: int = Field(default=0, ge=0)
    threads: int | None = Field(default=None, ge=1)
    """Ours: CPU threads of a process, a part of the result on a CPU; null: as many as there are cores, at most 8."""


class Saving(Section):
    """`saving`."""

    ckpt_save_also_last: bool = False
    ckpt_verbose: bool = False
    ckpt_weights_only: bool = False
    ckpt_monitor: str = "val_miou"
    ckpt_monitor_mode: Literal["max", "min"] = "max"
    ckpt_earlystopping_patience: int = Field(default=30, ge=1)
    cp_csv_and_conf_to_output: bool = True
    enable_progress_bar: bool = True
    progress_rate: int = Field(default=1, ge=1)
    verbose_config: bool = False
    codecarbon: bool = False
    """Of older versions. The energy of a run is always noted where the machine tells it."""


class PreProcessings(Section):
    """`modalities.pre_processings`."""

    filter_sentinel2: bool = False
    filter_sentinel2_max_cloud: float = Field(default=1, ge=0, le=100)
    filter_sentinel2_max_snow: float = Field(default=1, ge=0, le=100)
    filter_sentinel2_max_frac_cover: float = Field(default=0.05, ge=0, le=1)
    temporal_average_sentinel2: Average = None
    temporal_average_sentinel1: Average = None
    calc_elevation: bool = False
    calc_elevation_stack_dsm: bool = False
    use_augmentation: bool = False
    use_metadata: bool = False
    """Of older versions."""


class Modalities(Section):
    """`modalities`; `normalization`, whose keys hold names of inputs, is read by `reference.normalization`."""

    inputs: dict[str, bool]
    inputs_channels: Annotated[dict[str, tuple[int, ...]], BeforeValidator(_or_empty)] = Field(default_factory=dict)
    aux_loss: Annotated[dict[str, bool], BeforeValidator(_or_empty)] = Field(default_factory=dict)
    aux_loss_weight: NonNegativeFloat | dict[str, NonNegativeFloat] = 1.0
    modality_dropout: Annotated[dict[str, Annotated[float, Field(ge=0, le=1)]], BeforeValidator(_or_empty)] = Field(
        default_factory=dict
    )
    pre_processings: PreProcessings = PreProcessings()
    normalization: dict[str, Any]


class MonotempModel(Section):
    """`models.monotemp_model`."""

    arch: str
    new_channels_init_mode: Literal["copy_first", "copy_second", "copy_third", "random"] = "random"
    """The reference reads it nowhere."""
    encoder_weights: Annotated[str | None, BeforeValidator(_or_none)] = "auto"
    """Ours: `imagenet`, the path of a file, null (random), or `auto`: ImageNet where its weights are to be had."""
    decoder_options: dict[str, Any] = Field(default_factory=dict)
    """Ours: arguments of the decoder."""


class MultitempModel(Section):
    """`models.multitemp_model`."""

    ref_date: str = Field(default="05-15", pattern=r"^\d{2}-\d{2}$")
    encoder_widths: tuple[int, ...] = Field(default=(64, 64, 64, 128), min_length=1)
    decoder_widths: tuple[int, ...] = Field(default=(32, 32, 64, 128), min_length=1)
    out_conv: tuple[int, ...] = Field(default=(32, 19), min_length=1)
    str_conv_k: int = Field(default=3, ge=1)
    str_conv_s: int = Field(default=1, ge=1)
    str_conv_p: int = Field(default=1, ge=0)
    agg_mode: Literal["att_group", "att_mean", "mean"] = "att_group"
    encoder_norm: Literal["group", "batch", "instance"] = "group"
    n_head: int = Field(default=16, ge=1)
    d_model: int = Field(default=256, ge=1)
    d_k: int = Field(default=4, ge=1)
    pad_value: float = 0
    """Value that marks padding there; ours has a mask. Other values than 0 are refused."""
    padding_mode: Literal["reflect", "zeros", "replicate", "circular"] = "reflect"


class Models(Section):
    """`models`."""

    monotemp_model: MonotempModel
    multitemp_model: MultitempModel = MultitempModel()


class ValueWeights(Section):
    """`labels_configs.TASK.value_weights`."""

    default: NonNegativeFloat = 1.0
    default_exceptions: Weights = Field(default_factory=dict)
    per_modality_exceptions: Annotated[dict[str, Weights], BeforeValidator(_or_empty)] = Field(default_factory=dict)


class LabelConfig(Section):
    """`labels_configs.TASK`."""

    task_weight: NonNegativeFloat = 1.0
    label_channel_nomenclature: Literal[1, 2, 3] = 1
    """1-based band of the label file."""
    value_name: dict[int, str] = Field(min_length=1)
    value_weights: ValueWeights = ValueWeights()


SECTIONS: dict[str, type[Section]] = {
    "paths": Paths,
    "tasks": Tasks,
    "hyperparams": Hyperparams,
    "hardware": Hardware,
    "saving": Saving,
    "modalities": Modalities,
    "models": Models,
}
"""Top-level keys that are sections; beside them there are `labels`, `labels_configs` and, ours, `quirks`."""

RENAMED = {("hyperparams", "warmup"): "warmup_fraction"}
"""Older spelling of a key -> the one in force."""
