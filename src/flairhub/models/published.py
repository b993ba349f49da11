"""The networks of the 24 published rows.

Source: shipped configuration of the reference code and the arithmetic of the published parameter counts, which holds
only if every mono-date modality of a multimodal row has an auxiliary decoder.
"""

from __future__ import annotations

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.base import nearest
from flairhub.config.model import ModelParams, MonoModel, UtaeModel
from flairhub.errors import ConfigurationError
from flairhub.models.spec import InputSpec, NetworkSpec

PUBLISHED_ARCH = "swin_base_patch4_window12_384-upernet"


PUBLISHED_CHANNELS = {"AERIAL_RGBI": 3, "AERIAL-RLT_PAN": 1, "DEM_ELEV": 2, "SPOT_RGBI": 3}
"""Bands that enter the published networks; series enter with all of theirs."""


def published_model(arch: str = PUBLISHED_ARCH) -> ModelParams:
    """Parameters of the published networks, without pretrained weights."""
    return ModelParams(
        mono=MonoModel(arch=arch, encoder_weights=None, new_channels_init_mode="random", decoder_options={}),
        utae=UtaeModel(
            encoder_widths=(64, 64, 64, 128),
            decoder_widths=(32, 32, 64, 128),
            fusion_widths="published",
            out_conv=(32, 19),
            str_conv_k=3,
            str_conv_s=1,
            str_conv_p=1,
            agg_mode="att_group",
            encoder_norm="group",
            n_head=16,
            d_model=256,
            d_k=4,
            padding_mode="reflect",
        ),
        ref_date="05-15",
        aux_decoders=True,
        modality_dropout={},
        dropout_replacement="zero",
    )


def published_spec(row: str, *, auxiliary: bool = True, arch: str = PUBLISHED_ARCH) -> NetworkSpec:
    """The network of a published row, at the published patch sizes.

    Args:
        row: identifier of the row, e.g. `LC-A`.
        auxiliary: with the auxiliary decoders that the published parameter counts imply (one per mono-date modality
            where there is more than one input); False: the shipped configuration, which has none.
        arch: `<encoder>-<decoder>`.

    Raises:
        ConfigurationError: there is no such row.
    """
    if row not in PUBLISHED_ROWS:
        raise ConfigurationError(f"Expected a published row, but got {row!r}{nearest(row, PUBLISHED_ROWS)}")
    published = PUBLISHED_ROWS[row]
    inputs = {}
    for name in published.modalities:
        modality = MODALITIES[name]
        channels = PUBLISHED_CHANNELS.get(name, len(modality.bands))
        inputs[name] = InputSpec(channels=channels, height=modality.size_px, width=modality.size_px)
    mono = tuple(name for name in inputs if not MODALITIES[name].is_series)
    return NetworkSpec(
        tasks={published.task: taxonomy(published.task).num_classes},
        inputs=inputs,
        model=published_model(arch),
        auxiliary=mono if auxiliary and len(inputs) > 1 else (),
    )
