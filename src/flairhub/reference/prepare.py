"""From a configuration to all that its run needs; whatever is wrong with a configuration is said here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from flairhub.archives.checksums import Checksums
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.taxonomies import Taxonomy
from flairhub.config.recipe import IMAGENET, Recipe
from flairhub.config.runtime import RuntimeSettings
from flairhub.errors import ConfigurationError, MissingFileError
from flairhub.records.inputs import RowInputs, row_layers
from flairhub.records.inputs_file import SplitName
from flairhub.records.layout import RowFiles, row_files
from flairhub.reference.folder import ReferenceConfig
from flairhub.reference.inputs import build_inputs
from flairhub.reference.outputs import OutputTree
from flairhub.reference.quirks import QUIRKS, resolved
from flairhub.reference.recipe import AUTO, config_taxonomy, recipe_of
from flairhub.reference.tables import PathTable, Places, link_archive, link_archives, read_path_table
from flairhub.reference.training import run_settings
from flairhub.reference.weights import concerned, find_given, known_quirks
from flairhub.weights.encoders import encoder_sha256
from flairhub.weights.weights_file import WeightsFile, require_agreement

_CSV: dict[SplitName, str] = {"train": "train_csv", "valid": "val_csv", "test": "test_csv"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A run that is ready."""

    config: ReferenceConfig
    quirks: Mapping[str, bool]
    recipe: Recipe
    tables: Mapping[SplitName, PathTable]
    tree: OutputTree
    archives: Path
    given: WeightsFile | None
    """The file that `ckpt_model_path` names, where the tasks read it."""
    encoder: Path | None
    settings: RuntimeSettings
    inputs: RowInputs | None
    """None for `metrics_only`, which reads labels alone."""
    notes: tuple[str, ...] = field(default=())
    """What is worth saying once, beside the quirks."""

    @property
    def files(self) -> RowFiles:
        """The run's files of the graph."""
        return row_files(self.recipe.row, self.tree.graph)

    @property
    def taxonomies(self) -> tuple[Taxonomy, ...]:
        """Of every task."""
        return tuple(config_taxonomy(self.config, task) for task in self.config.labels)

    @property
    def relevant(self) -> dict[str, bool]:
        """Quirks that make a difference to this configuration -> kept or not."""
        return {name: self.quirks[name] for name, there in concerned(self.config).items() if there}


def prepare(config: ReferenceConfig, root: Path | None = None) -> Job:
    """Read and check everything that a configuration names.

    Args:
        config: the configuration.
        root: folder of the archives; goes before `paths.data_root`.

    Raises:
        ConfigurationError: the configuration contradicts itself, or the weights that it names.
        MissingFileError: a file that it names is not there.
        DataError: a table or a patch breaks its contract.
    """
    splits = _splits(config)
    places = _places(config, root)
    tree = OutputTree(
        Path(config.paths.out_folder).expanduser().absolute() / config.paths.out_model_name, config.paths.out_model_name
    )
    checksums = Checksums(tree.folder.parent / ".flairhub" / "checksums.sqlite")
    draft = recipe_of(config, dict.fromkeys(QUIRKS, False))  # what contradicts itself is said before files are sought
    given = find_given(config, places, checksums)
    quirks = _quirks(config, given)
    predicts_only = given is not None and not config.tasks.train
    recipe, encoder, named, notes = _weights(config, quirks, given, places, checksums, predicts_only)
    layers = _layers(draft, config)
    tables = {split: read_path_table(_csv(config, places, split), layers) for split in splits}
    archives = link_archives(list(tables.values()), layers, places, tree.graph / "archives")
    inputs = None
    if not config.tasks.metrics_only or config.tasks.train:
        _link_dates(config, recipe, places, archives)
        inputs = build_inputs(recipe, tables, archives, named)
        _try_network(config, inputs)
        if predicts_only and given is not None and (given.contract is None or given.contract.row_key):
            # of a published file the catalog's contract has sizes; its statistics are not all confirmed
            require_agreement(inputs, given)
    settings, said = run_settings(config)
    return Job(
        config=config,
        quirks=quirks,
        recipe=recipe,
        tables=tables,
        tree=tree,
        archives=archives,
        given=given,
        encoder=encoder,
        settings=settings,
        inputs=inputs,
        notes=(*notes, *said),
    )


def _splits(config: ReferenceConfig) -> list[SplitName]:
    tasks = config.tasks
    if not (tasks.train or tasks.predict or tasks.metrics_only):
        raise ConfigurationError(
            f"{config.place('tasks')}: expected one of train, predict and metrics_only to be true, but none is."
        )
    found: list[SplitName] = ["train", "valid"] if tasks.train else []
    return [*found, "test"] if tasks.predict or tasks.metrics_only else found


def _places(config: ReferenceConfig, root: Path | None) -> Places:
    here, beside = Path.cwd(), config.files[0].resolve().parent
    folders = tuple(dict.fromkeys((here, beside, beside.parent)))
    named = config.paths.data_root
    if root is None and named is not None:
        root = Places(folders).find(named, config.place("paths.data_root"))
    if root is not None and not root.is_dir():
        raise MissingFileError(f"Expected a folder of archives at {root}, but there is none.")
    return Places(folders, None if root is None else root.resolve())


def _csv(config: ReferenceConfig, places: Places, split: SplitName) -> Path:
    key = _CSV[split]
    text = getattr(config.paths, key)
    place = config.place(f"paths.{key}")
    if text is None:
        raise ConfigurationError(f"{place}: expected a CSV file, because the tasks read {split} patches, but got none.")
    return places.find(text, place)


def _layers(recipe: Recipe, config: ReferenceConfig) -> tuple[str, ...]:
    """Columns that are read; labels last."""
    return recipe.tasks if config.tasks.metrics_only and not config.tasks.train else row_layers(recipe)


def _quirks(config: ReferenceConfig, given: WeightsFile | None) -> dict[str, bool]:
    if given is None:
        return resolved(config.quirks, of_reference=False)
    if given.contract is None:
        return resolved(config.quirks, of_reference=True)
    ours = bool(given.contract.row_key)
    return resolved(config.quirks, of_reference=not ours, known=known_quirks(config, given.contract))


def _weights(
    config: ReferenceConfig,
    quirks: Mapping[str, bool],
    given: WeightsFile | None,
    places: Places,
    checksums: Checksums,
    predicts_only: bool,
) -> tuple[Recipe, Path | None, dict[str, str | None], list[str]]:
    """The recipe with its weights, the file of encoders, what the inputs say of them, and what there is to say."""
    if predicts_only and given is not None:
        recipe = recipe_of(config, quirks, weights=given.path.name)
        return recipe, None, {"weights_file": given.path.name, "weights_sha256": given.sha256}, []
    if not config.tasks.train:
        return recipe_of(config, quirks), None, {}, []
    wanted = config.models.monotemp_model.encoder_weights
    mono = any(not MODALITIES[name].is_series for name in config.inputs)
    if given is not None or not mono or wanted is None:
        return recipe_of(config, quirks), None, {} if given is None else {"initial_sha256": given.sha256}, []
    key = "models.monotemp_model.encoder_weights"
    path = None if wanted in {AUTO, IMAGENET} else places.find(wanted, config.place(key))
    recipe = recipe_of(config, quirks, encoder_weights=IMAGENET if path is None else path.name)
    try:
        sha256 = encoder_sha256(recipe, path, checksums, checksums.cache.parent)
    except MissingFileError as error:
        if wanted != AUTO:
            raise
        note = f"encoders start at random: {error} `--set {key}=imagenet` refuses instead"
        return recipe_of(config, quirks), None, {}, [note]
    return recipe, path, {"encoder_sha256": sha256}, []


def _try_network(config: ReferenceConfig, inputs: RowInputs) -> None:
    """Build the network without memory, and pass a batch through it where it is to be trained."""
    from flairhub.models.build import network_spec
    from flairhub.models.parameters import meta_network
    from flairhub.models.trial import require_trainable

    spec, recipe = network_spec(inputs), inputs.recipe
    if config.tasks.train:
        batch = min(config.hyperparams.batch_size, len(inputs.splits["train"]))
        require_trainable(recipe.row, spec, batch, inputs.sizes[recipe.tasks[0]])
    else:
        meta_network(spec)


def _link_dates(config: ReferenceConfig, recipe: Recipe, places: Places, archives: Path) -> None:
    if not any(MODALITIES[name].is_series for name in recipe.modalities):
        return
    text = config.paths.global_mtd_folder
    place = config.place("paths.global_mtd_folder")
    if text is None:
        raise ConfigurationError(
            f"{place}: expected the folder with the acquisition dates, because time series are active, but got none."
        )
    try:
        found = places.find(text, place)
    except MissingFileError:
        found = places.find(f"{text.rstrip('/')}.zip", place)
    link_archive(archives, METADATA_ARCHIVE, found)
