"""Which quirks make a difference to a configuration."""

from __future__ import annotations

from flairhub.catalog.modalities import SERIES_INPUTS
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.normalization import lists_bands, norm_type
from flairhub.reference.quirks import QUIRKS
from flairhub.reference.recipe import auxiliary_inputs, output_widths


def concerned(config: ReferenceConfig) -> dict[str, bool]:
    """Quirk -> whether it makes a difference to this configuration."""
    return {name: (_of_inputs(config) | _of_training(config))[name] for name in QUIRKS}


def _of_inputs(config: ReferenceConfig) -> dict[str, bool]:
    series = [name for name in config.inputs if name in SERIES_INPUTS]
    steps = config.modalities.pre_processings
    averaged = (steps.temporal_average_sentinel2 is not None and "SENTINEL2_TS" in series) or (
        steps.temporal_average_sentinel1 is not None and any(name.startswith("SENTINEL1") for name in series)
    )
    listed = [name for name in config.inputs if name not in SERIES_INPUTS and lists_bands(config, name)]
    return {
        "statistics_by_position": norm_type(config) == "custom" and bool(listed),
        "zero_dates": bool(series),
        "counted_padding": bool(series),
        "empty_slots": averaged,
        "appended_classes": bool(series) and output_widths(config, True) != output_widths(config, False),
    }


def _of_training(config: ReferenceConfig) -> dict[str, bool]:
    hyper, trains = config.hyperparams, config.tasks.train
    return {
        "weighted_selection": trains and config.saving.ckpt_monitor.startswith("val_miou"),
        "unused_aux_losses": trains and bool(auxiliary_inputs(config)),
        "even_dropout": trains and any(config.modalities.modality_dropout.values()),
        "fixed_patience": trains and "plateau" in (hyper.scheduler or "") and hyper.plateau_patience != 10,
        "undecayed_sgd": trains and hyper.optimizer == "sgd" and hyper.optim_weight_decay > 0,
    }
