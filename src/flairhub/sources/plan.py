"""What a choice of rows, domains and layers costs before anything is fetched."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from flairhub.catalog.domains import PUBLISHED_TEST_DOMAINS
from flairhub.catalog.hub import hub_archives
from flairhub.catalog.modalities import METADATA_ARCHIVE
from flairhub.catalog.names import HISTORICAL_YEAR, parse_archive
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.config.base import nearest
from flairhub.config.params import Params
from flairhub.errors import ConfigurationError
from flairhub.sources.wanted_archives import Selection

PUBLISHED_PATCHES = {"train": 152_225, "valid": 38_175, "test": 50_700}
"""Patches of the published splits (model card of LC-A)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What somebody wants; an empty choice means all."""

    rows: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    """Domains (`D012`) or domain-years (`D012-2019`)."""
    years: tuple[str, ...] = ()
    modalities: tuple[str, ...] = ()
    """Layers beside those of the rows; alone, where no row is named."""
    split: str | None = None
    """train, valid or test of the published split: domains with patches of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedArchive:
    """One archive of a plan."""

    name: str
    bytes: int | None
    """None where nobody says: the Hub was not asked, or does not know."""
    here: bool
    """Whether it lies on this machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Archives that a wish needs."""

    archives: tuple[PlannedArchive, ...]

    @property
    def total_bytes(self) -> int:
        """Of those whose size is known."""
        return sum(archive.bytes or 0 for archive in self.archives)

    @property
    def missing(self) -> tuple[PlannedArchive, ...]:
        """Those that are not here."""
        return tuple(archive for archive in self.archives if not archive.here)

    @property
    def missing_bytes(self) -> int:
        """Bytes to fetch, of archives whose size is known."""
        return sum(archive.bytes or 0 for archive in self.missing)

    @property
    def unknown(self) -> int:
        """Archives without a known size."""
        return sum(archive.bytes is None for archive in self.archives)


def plan(wish: Wish, params: Params, sizes: Mapping[str, int], store: Path) -> Plan:
    """The archives of the published revision that a wish needs.

    Args:
        wish: what is wanted.
        params: rows that the published benchmark does not have are looked up here.
        sizes: archive -> bytes, as far as they are known.
        store: folder in which archives would lie.

    Raises:
        ConfigurationError: a row, domain, year or layer does not exist, or nothing is left of the wish.
    """
    if wish.split is not None and wish.split not in PUBLISHED_PATCHES:
        raise ConfigurationError(f"Expected a split, but got {wish.split!r}{nearest(wish.split, PUBLISHED_PATCHES)}")
    selection = Selection(
        domains=frozenset(wish.domains) or None, years=frozenset(wish.years) or None, modalities=_layers(wish, params)
    )
    chosen = [name for name in selection.choose(hub_archives(), "the data set") if _has_split(name, wish.split)]
    if all(name == METADATA_ARCHIVE for name in chosen):
        raise ConfigurationError(f"Expected archives that fit {wish}, but there are none; widen the choice.")
    return Plan(archives=tuple(_archive(name, sizes, store) for name in chosen))


def _archive(name: str, sizes: Mapping[str, int], store: Path) -> PlannedArchive:
    path = store / f"{name}.zip"
    here = path.is_file() or (store / name).is_dir()
    size = path.stat().st_size if path.is_file() else sizes.get(name)
    return PlannedArchive(name=name, bytes=size, here=here)


def _layers(wish: Wish, params: Params) -> frozenset[str] | None:
    layers = set(wish.modalities)
    for row in wish.rows:
        layers |= set(row_layers(row, params))
    return frozenset(layers) if layers else None


def row_layers(row: str, params: Params) -> tuple[str, ...]:
    """Inputs and labels of a row of params.yaml, or of the published benchmark.

    Raises:
        ConfigurationError: neither has the row.
    """
    if row in params.rows:
        return (*params.rows[row].modalities, *params.rows[row].tasks)
    if row in PUBLISHED_ROWS:
        return (*PUBLISHED_ROWS[row].modalities, PUBLISHED_ROWS[row].task)
    known = dict.fromkeys([*params.rows, *PUBLISHED_ROWS])
    raise ConfigurationError(f"Expected a row of params.yaml or of the benchmark, but got {row!r}{nearest(row, known)}")


def _has_split(name: str, split: str | None) -> bool:
    """Whether an archive's domain has patches of a published split."""
    archive = parse_archive(name)
    return archive is None or split is None or (archive.domain in PUBLISHED_TEST_DOMAINS) == (split == "test")


def training_hours(epochs: int, archives: Iterable[PlannedArchive], patches_per_s: float) -> float:
    """Hours to train one row on the training domains of a plan.

    The number of patches of a domain is not known before it is here: each training domain-year counts alike.

    Args:
        epochs: passes over the training patches.
        archives: of a plan.
        patches_per_s: rate of the training, patches per second.
    """
    chosen = _training_domains(archive.name for archive in archives)
    patches = PUBLISHED_PATCHES["train"] * len(chosen) / len(_training_domains(hub_archives()))
    return epochs * patches / patches_per_s / 3600


def _training_domains(names: Iterable[str]) -> set[str]:
    """Domain-years with training patches of the published split."""
    parsed = [archive for name in names if (archive := parse_archive(name)) and archive.year != HISTORICAL_YEAR]
    return {f"{archive.domain}-{archive.year}" for archive in parsed if archive.domain not in PUBLISHED_TEST_DOMAINS}
