"""All rows resolved, each from the facts only where something that decides about its data has changed.

A learning rate changes no patch. What a row reads is kept under the checksum of all that decides about it - facts,
audit, splits, code, and the part of the recipe that concerns data - beside the graph, in `.flairhub/resolve`; an
experiment that finds it there loads no fact.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from flairhub.archives.checksums import Checksums
from flairhub.audit.valid import read_valid
from flairhub.config.params import Params
from flairhub.config.recipe import TRAINED, Recipe
from flairhub.config.resolve import row_recipe
from flairhub.data.sampler import EpochBatches
from flairhub.facts.stats import Statistics
from flairhub.files import canonical_json, sha256_text
from flairhub.locks import locked
from flairhub.records.inputs import RowInputs, copy_inputs, prune_columns, read_inputs, write_inputs
from flairhub.records.inputs_file import BandStatistics
from flairhub.records.manifest import read_manifest
from flairhub.records.resolution import Resolution
from flairhub.rows.accepted import Facts, load_facts
from flairhub.rows.resolve import resolve_row
from flairhub.rows.scored import require_scored
from flairhub.weights.weights_file import WeightsFile, require_agreement

_log = logging.getLogger(__name__)

KEPT_ROWS = 256
"""Results kept: rows of the last experiments; the oldest go first."""

_NO_DATA = {"row", "weights", "seeds", "augmentation", "model", "loss", "train"}
"""Sections of a recipe that decide nothing about the data; of `train`, sampling does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphFiles:
    """What the stages before have written."""

    manifest: Path
    index: Path
    valid: Path
    """The audit's table of accepted files."""
    splits: Path
    code: Path
    """Fingerprint of this stage's code."""

    def sha256(self, checksums: Checksums) -> str:
        """Checksum of them all; unchanged files are not read again."""
        paths = (self.manifest, self.index, self.valid, self.splits, self.code)
        return sha256_text("\n".join(checksums.sha256(path) for path in paths))


@dataclass(frozen=True, kw_only=True)
class Resolver:
    """Resolves the rows of one set of parameters."""

    params: Params
    files: GraphFiles
    kept: Path
    """Folder of earlier results, `.flairhub/resolve` of the main workspace."""
    facts_sha256: str
    """See `GraphFiles.sha256`."""

    def resolve(
        self, weights_of: Callable[[str], WeightsFile | None], encoder: Callable[[Recipe], str | None], folder: Path
    ) -> dict[str, Resolution]:
        """Write what every row reads, `ROW.json` and its columns; one process at a time.

        Args:
            weights_of: the weights file of a row that is not trained.
            encoder: checksum of the weights that a row's encoders start from.
            folder: `data/inputs`.

        Raises:
            As `resolve_row`.
        """
        with locked(self.kept / "lock"):
            counts = {row: self._row(row, weights_of(row), encoder, folder / f"{row}.json") for row in self.params.rows}
            self._prune()
        return counts

    def _row(
        self, row: str, weights: WeightsFile | None, encoder: Callable[[Recipe], str | None], path: Path
    ) -> Resolution:
        recipe = row_recipe(self.params, row)
        encoder_sha256 = encoder(recipe)
        key = self.key(row)
        kept, counts = self.kept / f"{key}.json", self.kept / f"{key}.resolution"
        known = kept.is_file() and counts.is_file()
        inputs: RowInputs | None = None
        if not known:
            inputs, resolution = resolve_row(self.params, row, self._facts, self._computed, weights, encoder_sha256)
            resolution.write(counts)
            write_inputs(kept, inputs)
        file = None if weights is None else (weights.path.name, weights.sha256)
        copy_inputs(kept, path, recipe, file, encoder_sha256)
        if known and weights is not None:
            require_agreement(read_inputs(path), weights)
        resolution = Resolution.read(counts)
        for sentence in require_scored(recipe, resolution):
            _log.warning(sentence)
        if recipe.weights == TRAINED:
            self._require_trainable(recipe, path, key, inputs)
        return resolution

    def _require_trainable(self, recipe: Recipe, path: Path, key: str, inputs: RowInputs | None) -> None:
        """Try the row's smallest batch, on one device, once per network and data; devices are the training's matter."""
        train = recipe.train
        decides = [key, recipe.model.model_dump(mode="json"), train.global_batch_size, train.accumulate]
        passed = self.kept / f"{sha256_text(canonical_json(decides))}.passed"
        if passed.is_file():
            return
        from flairhub.models.build import network_spec  # with the libraries of encoders, as slow as all of resolve
        from flairhub.models.trial import require_trainable

        inputs = inputs or read_inputs(path)
        batches = EpochBatches(
            len(inputs.splits["train"]), train.global_batch_size, train.seed, accumulate=train.accumulate
        )
        tried = (repr(spec := network_spec(inputs)), batches.smallest_batch)
        if tried not in self._passed:
            require_trainable(recipe.row, spec, batches.smallest_batch, inputs.sizes[recipe.tasks[0]])
            self._passed.add(tried)
        passed.touch()

    @cached_property
    def _passed(self) -> set[tuple[str, int]]:
        """Networks and batches that this resolver has tried."""
        return set()

    def key(self, row: str) -> str:
        """Checksum of all that decides about the data of a row."""
        recipe = row_recipe(self.params, row).model_dump(mode="json")
        decides: dict[str, Any] = {name: value for name, value in recipe.items() if name not in _NO_DATA}
        decides |= {
            "sampling": recipe["train"]["sampling"],
            "domains": self.params.rows[row].domains,
            "stats": self.params.stats.model_dump(mode="json"),
            "facts": self.facts_sha256,
        }
        return sha256_text(canonical_json(decides))

    def _prune(self) -> None:
        """Delete the oldest results, and columns that no result names."""
        files = sorted(self.kept.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
        for path in files[KEPT_ROWS:]:
            path.unlink()
            path.with_suffix(".resolution").unlink(missing_ok=True)
        for path in sorted(self.kept.glob("*.passed"), key=lambda path: path.stat().st_mtime_ns)[:-KEPT_ROWS]:
            path.unlink()
        prune_columns(self.kept, files[:KEPT_ROWS])

    @cached_property
    def _facts(self) -> Facts:
        archives = {entry.name: entry.sha256 for entry in read_manifest(self.files.manifest).archives}
        return load_facts(self.params, self.files.index, self.files.valid, self.files.splits, archives)

    @cached_property
    def _statistics(self) -> Callable[[str, tuple[str, ...]], dict[str, BandStatistics]]:
        cloud = self.params.preprocessing.filter_sentinel2
        merged = Statistics(self.files.index, read_valid(self.files.valid), self.params.stats, cloud)

        @cache
        def computed(modality: str, patches: tuple[str, ...]) -> dict[str, BandStatistics]:
            return merged.of(modality, patches).counted()

        return computed

    def _computed(self, modality: str, patches: Sequence[str]) -> dict[str, BandStatistics]:
        """Statistics over these training patches; rows with equal patches share them."""
        return self._statistics(modality, tuple(patches))
