"""The file `data/inputs/<ROW>.json`: all that one row uses of the data, and nothing else.

Training and evaluation depend on this one file, so its bytes are part of the row's key: equal content gives
equal bytes. It is small: the patches themselves - one column of checksums per layer, and of dates per series - lie
in `data/inputs/columns`, in files that it names by the checksum of their content and that rows and experiments share.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shutil import copyfile

from flairhub.catalog.modalities import MODALITIES
from flairhub.config.base import build
from flairhub.config.recipe import TRAINED, Recipe
from flairhub.errors import DataError, FlairhubError
from flairhub.files import canonical_json, replacing, sha256_text
from flairhub.records.columns import FOLDER, Column, read_column, write_column
from flairhub.records.inputs_file import SPLITS, BandStatistics, InputsFile, SplitColumns, SplitName
from flairhub.records.patches import Patches, columns_of, read_patches


@dataclass(frozen=True, slots=True, kw_only=True)
class RowInputs:
    """What one row reads.

    Raises:
        DataError: the parts contradict each other (see `_check`).
    """

    row: str
    recipe: Recipe
    statistics: dict[str, dict[str, BandStatistics]]
    """Modality -> band -> moments, already chosen by the recipe; DEM_ELEV may have DSM, DTM and HEIGHT."""
    sizes: dict[str, tuple[int, int]]
    """Layer -> (height, width) in pixels, the same for all patches of the row; labels too."""
    gsd_m: dict[str, float] = field(default_factory=dict)
    """Input -> ground sampling distance of its files, units of their CRS (metres in the published set)."""
    archives: dict[str, str] = field(default_factory=dict)
    """Archive -> SHA-256 (hexadecimal), of every archive that the row reads from: its lineage."""
    splits: Mapping[SplitName, Patches]
    """Patches of each split."""
    train_weights: tuple[float, ...] | None = None
    """Weight of every training patch where `train.sampling` is class_balanced (`sampler.class_balanced_weights`),
    else None."""
    weights_file: str | None = None
    """Name of the weights file, where the recipe's `weights` are not trained."""
    weights_sha256: str | None = None
    """SHA-256 (hexadecimal) of that file: the identity of the row's weights."""
    encoder_sha256: str | None = None
    """SHA-256 (hexadecimal) of the weights that mono-date encoders start from: of the file that the recipe names, or of
    ImageNet's tensors; None where nothing is trained, or all starts at random."""
    initial_sha256: str | None = None
    """SHA-256 (hexadecimal) of the weights file that the whole network starts from; None: there is none."""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def layers(self) -> tuple[str, ...]:
        """Layers that are read for every patch: see `row_layers`."""
        return row_layers(self.recipe)


def row_layers(recipe: Recipe) -> tuple[str, ...]:
    """The layers a row reads: its inputs in encoder order, masks that its cloud filter needs, then its labels."""
    masks = tuple(
        companion
        for name in recipe.modalities
        if (companion := MODALITIES[name].companion) is not None and recipe.preprocessing.filter_sentinel2.enabled
    )
    return recipe.modalities + masks + recipe.tasks


def write_inputs(path: Path, inputs: RowInputs) -> None:
    """Write a row's inputs: compact JSON, and the columns that are not beside it yet.

    The same inputs always give the same bytes.
    """
    columns = _columns(inputs)
    for column in (column for split in columns.values() for column in split.values()):
        write_column(path.parent / FOLDER, column)
    _file(inputs, columns).write(path)


def copy_inputs(
    source: Path, path: Path, recipe: Recipe, given_file: tuple[str, str] | None, encoder_sha256: str | None
) -> None:
    """Write the inputs of one file under another recipe that reads the same data.

    Args:
        source: inputs as `write_inputs` wrote them.
        path: the new file; columns that are missing beside it are copied.
        recipe: the other recipe.
        given_file: name and SHA-256 of the weights file of a row that is not trained.
        encoder_sha256: as in `RowInputs`.
    """
    name, sha256 = given_file or (None, None)
    file = replace(
        InputsFile.read(source),
        row=recipe.row,
        recipe=recipe.model_dump(mode="json"),
        weights_file=name,
        weights_sha256=sha256,
        encoder_sha256=encoder_sha256,
    )
    for column in file.columns:
        target = path.parent / FOLDER / f"{column}.parquet"
        if not target.is_file():
            with replacing(target) as temporary:
                copyfile(source.parent / FOLDER / target.name, temporary)
    file.write(path)


def prune_columns(folder: Path, files: Iterable[Path]) -> None:
    """Delete the columns of a folder that none of these files of inputs names."""
    named = {column for path in files for column in InputsFile.read(path).columns}
    for path in (folder / FOLDER).glob("*.parquet"):
        if path.stem not in named:
            path.unlink(missing_ok=True)


def inputs_sha256(inputs: RowInputs) -> str:
    """SHA-256 of the file that `write_inputs` would write."""
    return sha256_text(canonical_json(_file(inputs, _columns(inputs)).plain()) + "\n")


def _columns(inputs: RowInputs) -> dict[SplitName, dict[str, Column]]:
    """The columns of every split, by name."""
    layers, series = inputs.layers, _series(inputs.recipe)
    columns: dict[SplitName, dict[str, Column]] = {
        split: columns_of(inputs.splits[split].completed(layers, series)) for split in SPLITS
    }
    if inputs.train_weights is not None:
        columns["train"]["weight"] = Column.plain(inputs.train_weights)
    return columns


def _file(inputs: RowInputs, columns: Mapping[SplitName, Mapping[str, Column]]) -> InputsFile:
    return InputsFile(
        row=inputs.row,
        recipe=inputs.recipe.model_dump(mode="json"),
        statistics=inputs.statistics,
        sizes=inputs.sizes,
        gsd_m=inputs.gsd_m,
        archives=inputs.archives,
        weights_file=inputs.weights_file,
        weights_sha256=inputs.weights_sha256,
        encoder_sha256=inputs.encoder_sha256,
        initial_sha256=inputs.initial_sha256,
        splits={
            split: SplitColumns(
                patches=len(inputs.splits[split]),
                columns={name: column.sha256 for name, column in columns[split].items()},
            )
            for split in SPLITS
        },
    )


def read_inputs(path: Path) -> RowInputs:
    """Read and validate a row's inputs.

    Raises:
        MissingFileError: there is no such file, or a column that it names is not beside it.
        IntegrityError: a column holds other content than the file names.
        DataError: the file is not of this format, or its parts contradict each other.
        ConfigurationError: its recipe has unknown or unacceptable parameters.
    """
    file = InputsFile.read(path)
    try:
        return _parsed(file, path)
    except FlairhubError:
        raise
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"Expected {path} to hold a row's inputs of format {file.FORMAT}, but got {type(error).__name__}: {error}; "
            "run the resolve stage again."
        ) from error


def _parsed(file: InputsFile, path: Path) -> RowInputs:
    recipe = build(Recipe, file.recipe, str(path))
    folder = path.parent / FOLDER
    weight = file.splits["train"].columns.get("weight")
    splits = {
        split: read_patches(folder, file.splits[split].columns, row_layers(recipe), _series(recipe)) for split in SPLITS
    }
    for split, patches in splits.items():
        said = file.splits[split].patches
        if len(patches) != said:
            raise DataError(f"{path}: expected {said} {split} patches, but its columns have {len(patches)}.")
    return RowInputs(
        row=file.row,
        recipe=recipe,
        statistics={modality: dict(bands) for modality, bands in file.statistics.items()},
        sizes=dict(file.sizes),
        gsd_m=dict(file.gsd_m),
        archives=dict(file.archives),
        splits=splits,
        train_weights=None if weight is None else tuple(map(float, read_column(folder, weight).content)),
        weights_file=file.weights_file,
        weights_sha256=file.weights_sha256,
        encoder_sha256=file.encoder_sha256,
        initial_sha256=file.initial_sha256,
    )


def _series(recipe: Recipe) -> tuple[str, ...]:
    return tuple(name for name in recipe.modalities if MODALITIES[name].is_series)


def _check(inputs: RowInputs) -> None:
    """Row, splits, sizes, statistics and patches must agree with the recipe."""
    if inputs.row != inputs.recipe.row:
        raise DataError(f"Expected the recipe of row {inputs.row}, but got that of row {inputs.recipe.row}.")
    if set(inputs.splits) != set(SPLITS):
        raise DataError(f"Row {inputs.row}: expected the splits {list(SPLITS)}, but got {sorted(inputs.splits)}.")
    missing = set(inputs.layers) - set(inputs.sizes)
    if missing:
        raise DataError(f"Row {inputs.row}: expected a size for every layer, but {sorted(missing)} have none.")
    for modality, bands in inputs.statistics.items():
        for band, moments in bands.items():
            if not (math.isfinite(moments.mean) and math.isfinite(moments.std) and moments.std >= 0):
                raise DataError(f"Row {inputs.row}: statistics of {modality} {band} are not finite: {moments}.")
    _check_weights(inputs)
    _check_file(inputs)
    _check_encoder(inputs)
    for split, patches in inputs.splits.items():
        _check_layers(f"Row {inputs.row}, {split}", patches, set(inputs.layers), _series(inputs.recipe))


def _check_weights(inputs: RowInputs) -> None:
    wanted = inputs.recipe.train.sampling == "class_balanced"
    expected = len(inputs.splits["train"]) if wanted else None
    count = None if inputs.train_weights is None else len(inputs.train_weights)
    if count != expected:
        raise DataError(
            f"Row {inputs.row}: expected {expected} weights of training patches for train.sampling "
            f"{inputs.recipe.train.sampling}, but got {count}."
        )


def _check_file(inputs: RowInputs) -> None:
    given = (inputs.weights_file, inputs.weights_sha256)
    if (inputs.recipe.weights != TRAINED) != all(given) or any(given) != all(given):
        raise DataError(
            f"Row {inputs.row}: expected name and checksum of a weights file where `weights` is not {TRAINED}, and "
            f"neither where it is, but got {given} for weights {inputs.recipe.weights!r}."
        )


def _check_encoder(inputs: RowInputs) -> None:
    mono = inputs.recipe.model.mono
    starts = inputs.recipe.weights == TRAINED and mono is not None and mono.encoder_weights is not None
    if starts != (inputs.encoder_sha256 is not None):
        raise DataError(
            f"Row {inputs.row}: expected a checksum of initial weights exactly where model.mono.encoder_weights names "
            f"some for a training, but got {inputs.encoder_sha256}."
        )


def _check_layers(where: str, patches: Patches, layers: set[str], series: tuple[str, ...]) -> None:
    if not patches.crc32.keys() <= layers:
        raise DataError(f"{where}: layers {sorted(patches.crc32.keys() - layers)} are not used by the row.")
    for name in series:
        if len(patches) and name not in patches.dates:
            raise DataError(f"{where}: expected acquisition dates of {name}, but got none.")
