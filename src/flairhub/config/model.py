"""Parameters of the networks and of their regularisation."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from flairhub.config.base import Section


class MonoModel(Section):
    """Encoder and decoder of every mono-date modality."""

    arch: str
    """`<encoder>-<decoder>` as the reference writes it, e.g. `swin_base_patch4_window12_384-upernet`."""
    encoder_weights: str | None
    """`imagenet` (through timm), the path of a local safetensors or pth file, or null for random weights; in a
    resolved row only the file's name, whose checksum is in the row's inputs."""
    new_channels_init_mode: Literal["copy_first", "copy_second", "copy_third", "random"]
    """How input channels beyond the pretrained three start."""
    decoder_options: dict[str, Any]
    """Keyword options of the decoder, e.g. `decoder_channels` (unet), `pyramid_channels` (upernet)."""


class UtaeModel(Section):
    """U-TAE, the encoder of every time series (names as in the reference's configuration)."""

    encoder_widths: tuple[int, ...]
    """Channels per encoder stage, fine to coarse."""
    decoder_widths: tuple[int, ...]
    """Channels per decoder stage, fine to coarse."""
    fusion_widths: Literal["published", "configured"]
    """`published`: beside a mono encoder both width lists become [64, 64, 128, 128]; `configured`: as given."""
    out_conv: tuple[int, ...]
    """Channels of the output convolutions; the number of classes is appended unless it is already the last."""
    str_conv_k: int
    """Kernel of the down-sampling convolution, pixels."""
    str_conv_s: int
    """Stride of the down-sampling convolution, pixels (1: maps keep their size)."""
    str_conv_p: int
    """Padding of the down-sampling convolution, pixels."""
    agg_mode: Literal["att_group", "att_mean", "mean"]
    """How the dates' skip maps are combined."""
    encoder_norm: Literal["group", "batch", "instance"]
    """Normalisation layers of the encoder."""
    n_head: int
    """Number of attention heads."""
    d_model: int
    """Width of the temporal encoder."""
    d_k: int
    """Width of keys and queries."""
    padding_mode: Literal["reflect", "zeros", "replicate", "circular"]
    """Padding of the convolutions."""
    norm_padding: Literal["ignored", "counted"] = "ignored"
    """Whether masked dates enter, as zeros, the normalisation before the attention. `counted` is what the published
    code does in padded batches: a patch's result then depends on the longest series of its batch."""


class ModelParams(Section):
    """The network of a row."""

    mono: MonoModel | None
    """Mono-date branch; null in a resolved row without mono-date modality."""
    utae: UtaeModel | None
    """Time-series branch; null in a resolved row without time series."""
    ref_date: str = Field(pattern=r"^\d{2}-\d{2}$")
    """MM-DD; dates enter U-TAE as signed day offsets to this day of the acquisition's own year."""
    aux_decoders: bool | tuple[str, ...]
    """Whether each mono modality and series gets an auxiliary decoder when there is more than one input; or the names
    of those that get one."""
    modality_dropout: dict[str, float]
    """Probability per modality that its maps are replaced during training; a missing modality has 0."""
    dropout_replacement: Literal["zero", "learned"]
    """What replaces dropped maps."""


class ClassWeights(Section):
    """Cross-entropy weights of one task's classes."""

    default: float = Field(ge=0)
    """Weight of every class not named below."""
    exceptions: dict[int, float]
    """Class index -> weight. A class of weight 0 is neither learnt nor scored."""
    per_modality_exceptions: dict[str, dict[int, float]]
    """Modality -> class index -> weight, for that modality's auxiliary loss."""


class LabelParams(Section):
    """One task."""

    level: Literal[1, 2, 3]
    """LPIS nomenclature level (23, 31 or 46 classes); 1 for COSIA."""
    task_weight: float = Field(ge=0)
    """Weight of the task's loss in the sum."""
    class_weights: ClassWeights
    """Cross-entropy weights."""


class LossParams(Section):
    """What the training minimises, beside the tasks' own weights."""

    aux_loss_weight: float | dict[str, float]
    """Weight of the auxiliary losses: one number, or one per modality. 0 leaves the decoders untrained."""
