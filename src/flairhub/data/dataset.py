"""Patches of one split of one row, decoded straight out of the archives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from torch.utils.data import Dataset

from flairhub.archives.raster import read_values
from flairhub.archives.reader import PatchReader
from flairhub.archives.validity import with_gaps
from flairhub.catalog.modalities import LABELS, MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import taxonomy
from flairhub.config.channels import read_bands
from flairhub.data.augmentation import Augmentation, turned
from flairhub.data.batch import Sample
from flairhub.data.day_offsets import encode_dates
from flairhub.errors import DataError
from flairhub.records.inputs import RowInputs
from flairhub.records.inputs_file import SplitName
from flairhub.records.patches import PatchEntry

Key = tuple[int, int]
"""(epoch, index of the patch in its split): all that a sample depends on beside the data."""

_Dates = tuple[npt.NDArray[np.float32], npt.NDArray[np.int32], npt.NDArray[np.bool_]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """What is checked of every file of a layer."""

    name: str
    height: int
    width: int
    num_classes: int
    """For a label; 0 otherwise."""
    band: int
    """For a label: 0-based band of its level; 0 otherwise."""
    positions: tuple[int, ...] | None
    """0-based bands, of each date, that the row needs; None: all."""


class PatchDataset(Dataset[Sample]):
    """Samples by (epoch, index); the epoch only matters to the augmentation.

    A patch without one of the row's inputs still has a sample: a mono-date input of NaN, which `Preprocessor`
    replaces and counts, or a series of no dates. A patch without a label is an error.

    Args:
        inputs: what the row reads.
        split: `train`, `valid` or `test`.
        reader: reader of the archives.
        augmentation: None: patches as they are.
        cache_bytes: decoded patches are kept in memory up to this size, per process; 0: none. First come, first
            kept: a pass in random order over a larger set gains nothing from eviction.
    """

    def __init__(
        self,
        inputs: RowInputs,
        split: SplitName,
        reader: PatchReader,
        augmentation: Augmentation | None = None,
        *,
        cache_bytes: int = 0,
    ) -> None:
        self._entries = inputs.splits[split]
        self._recipe = inputs.recipe
        self._layers = [_layer(inputs, name) for name in inputs.layers]
        self._bands = read_bands(inputs.recipe)
        self._square = all(layer.height == layer.width for layer in self._layers)
        self._reader = reader
        self._augmentation = augmentation
        self._ref_date = inputs.recipe.model.ref_date
        self._cache_bytes = cache_bytes
        self._cached_bytes = 0
        self._cache: dict[int, Sample] = {}

    def __len__(self) -> int:
        return len(self._entries)

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_cache": {}, "_cached_bytes": 0}

    @property
    def roi_keys(self) -> tuple[str, ...]:
        """Region of interest of every patch, in order."""
        return tuple(parse_patch_id(patch).roi_key for patch in self._entries.patch_ids)

    def __getitem__(self, key: Key) -> Sample:
        """The sample of (epoch, index).

        Raises:
            MissingFileError: an archive or a file in it does not exist.
            IntegrityError: a file differs from the checksum that the row records.
            DataError: a file is not a raster of its layer's bands and size, a series has another number of dates
                than its metadata, or a label holds a value outside its taxonomy.
        """
        epoch, index = key
        sample = self._cache.get(index)
        if sample is None:
            sample = self._read(self._entries[index])
            self._keep(index, sample)
        if self._augmentation is None:
            return sample
        return turned(sample, self._augmentation.draw(epoch, index, square=self._square))

    def label(self, index: int, task: str) -> npt.NDArray[np.uint8]:
        """The class map `[H, W]` of one task alone, without decoding any input.

        Raises:
            As `__getitem__`.
        """
        entry = self._entries[index]
        layer = next(layer for layer in self._layers if layer.name == task)
        return _class_map(self._decode(entry, layer), layer, entry)

    def _keep(self, index: int, sample: Sample) -> None:
        arrays = [a for group in (sample.inputs, sample.masks, sample.labels) for a in group.values()]
        size = sum(array.nbytes for array in arrays)
        if self._cached_bytes + size <= self._cache_bytes:
            for array in arrays:
                array.setflags(write=False)
            self._cache[index] = sample
            self._cached_bytes += size

    def _read(self, entry: PatchEntry) -> Sample:
        inputs, masks, labels = {}, {}, {}
        dates: dict[str, _Dates] = {}
        for layer in self._layers:
            kind = MODALITIES[layer.name].kind
            array = self._decode(entry, layer)
            if kind == "label":
                labels[layer.name] = _class_map(array, layer, entry)
            elif kind == "mask":
                masks[layer.name] = array
            else:
                inputs[layer.name] = array
                if kind == "series":
                    dates[layer.name] = self._dates(entry, layer.name)
        for name in dates:
            _check_dates(entry, name, inputs[name], dates[name][0], masks)
        return Sample(
            patch_id=entry.patch_id,
            inputs=inputs,
            dates={name: arrays[0] for name, arrays in dates.items()},
            calendar={name: arrays[1] for name, arrays in dates.items()},
            valid={name: arrays[2] for name, arrays in dates.items()},
            masks=masks,
            labels=labels,
            bands=self._bands,
        )

    def _dates(self, entry: PatchEntry, series: str) -> _Dates:
        if series not in entry.crc32:
            return encode_dates((), self._ref_date)
        try:
            return encode_dates(entry.dates[series], self._ref_date, entry.rejected_dates.get(series, ()))
        except DataError as error:
            raise DataError(f"{entry.patch_id} {series}: {error}") from None

    def _decode(self, entry: PatchEntry, layer: _Layer) -> npt.NDArray[Any]:
        """Mono and label `[C, H, W]`, series and mask `[T, C, H, W]`, checked against the row."""
        modality = MODALITIES[layer.name]
        if layer.name not in entry.crc32:
            return _picked(_absent(entry, layer), layer.positions)
        patch = parse_patch_id(entry.patch_id)
        archive, member = archive_of(patch, layer.name), member_of(patch, layer.name)
        data = self._reader.read(archive, member, entry.crc32[layer.name])
        try:
            values, nodata = read_values(data)
        except DataError as error:
            raise DataError(f"{archive}: {member}: {error}") from None
        bands, height, width = values.shape
        per_date = len(modality.bands)
        fits = bands % per_date == 0 if modality.is_series else bands == per_date
        if not fits or (height, width) != (layer.height, layer.width):
            raise DataError(
                f"{archive}: {member}: expected {'a multiple of ' if modality.is_series else ''}{per_date} bands of "
                f"{layer.height} x {layer.width} pixels, but got {bands} of {height} x {width}; run the index stage."
            )
        if modality.is_series:
            values = split_dates(values, per_date)
        return with_gaps(_picked(values, layer.positions), layer.name, nodata)


def _layer(inputs: RowInputs, name: str) -> _Layer:
    height, width = inputs.sizes[name]
    if name in LABELS:
        classes = taxonomy(name, inputs.recipe.labels[name].level)
        count, band = classes.num_classes, classes.level - 1
        only = None if len(MODALITIES[name].bands) == 1 else (band,)
        return _Layer(name=name, height=height, width=width, num_classes=count, band=band, positions=only)
    known = MODALITIES[name].bands
    wanted = read_bands(inputs.recipe).get(name, known)
    positions = None if wanted == known else tuple(known.index(band) for band in wanted)
    return _Layer(name=name, height=height, width=width, num_classes=0, band=0, positions=positions)


def _picked(values: npt.NDArray[Any], positions: tuple[int, ...] | None) -> npt.NDArray[Any]:
    """Bands `[..., C, H, W]` one after the other in memory: rotating them then touches one plane at a time."""
    if positions is None:
        return np.ascontiguousarray(values)
    return np.stack([values[..., position, :, :] for position in positions], axis=-3)


def split_dates(stacked: npt.NDArray[Any], num_bands: int) -> npt.NDArray[Any]:
    """`[T * C, H, W]` as files stack a series, band t * C + c, to `[T, C, H, W]`; a view."""
    return stacked.reshape(-1, num_bands, *stacked.shape[1:])


def _absent(entry: PatchEntry, layer: _Layer) -> npt.NDArray[Any]:
    modality = MODALITIES[layer.name]
    shape = (len(modality.bands), layer.height, layer.width)
    if modality.kind == "label":
        raise DataError(f"{entry.patch_id}: expected a label {layer.name}, but the row's inputs record none.")
    if modality.is_series:
        return np.zeros((0, *shape), np.float32)
    return np.full(shape, np.nan, np.float32)


def _class_map(array: npt.NDArray[Any], layer: _Layer, entry: PatchEntry) -> npt.NDArray[np.uint8]:
    """The one band that was picked, with every value inside the taxonomy."""
    classes = array[0]
    worst = classes.max()
    if not np.issubdtype(classes.dtype, np.integer) or worst >= layer.num_classes or classes.min() < 0:
        raise DataError(
            f"{member_of(parse_patch_id(entry.patch_id), layer.name)}, band {layer.band + 1}: expected classes "
            f"0..{layer.num_classes - 1}, but got {_outside(classes, layer.num_classes)}; correct the label or "
            "let the audit drop the patch."
        )
    class_map: npt.NDArray[np.uint8] = classes.astype(np.uint8)  # a copy: a view would keep the other levels
    return class_map


def _outside(classes: npt.NDArray[Any], num_classes: int) -> str:
    values = np.unique(classes)
    return ", ".join(str(value) for value in values[(values < 0) | (values >= num_classes)][:5]) or str(classes.dtype)


def _check_dates(
    entry: PatchEntry,
    series: str,
    values: npt.NDArray[Any],
    offsets: npt.NDArray[Any],
    masks: dict[str, npt.NDArray[Any]],
) -> None:
    if len(values) != len(offsets):
        raise DataError(
            f"{entry.patch_id} {series}: expected {len(offsets)} dates as in its metadata, but the file has "
            f"{len(values)}; run the index stage."
        )
    mask = masks.get(MODALITIES[series].companion or "")
    if mask is not None and len(mask) != len(values):
        raise DataError(
            f"{entry.patch_id}: expected {MODALITIES[series].companion} with the {len(values)} dates of {series}, "
            f"but got {len(mask)}; let the audit drop the patch."
        )
