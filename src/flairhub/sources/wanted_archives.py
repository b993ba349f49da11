"""Which archives of a source are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES, with_companions
from flairhub.catalog.names import HISTORICAL_YEAR, parse_archive
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.config.base import nearest
from flairhub.config.pipeline import SubsetParams
from flairhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A wish: some domains, years and modalities. The metadata archive always belongs to it."""

    domains: frozenset[str] | None = None
    """Domains or domain-years, e.g. `D012` or `D012-2019`; None: all. The historical archive (`195X`) of a domain comes
    along."""
    years: frozenset[str] | None = None
    """Years of the aerial campaigns, four digits; None: all."""
    modalities: frozenset[str] | None = None
    """Layers, inputs and labels; None: all. A series brings its cloud mask along."""

    def __post_init__(self) -> None:
        """Refuse modalities that do not exist."""
        for name in sorted(self.modalities or ()):
            if name not in MODALITIES:
                raise ConfigurationError(f"Expected a modality, but got {name!r}{nearest(name, MODALITIES)}")

    def choose(self, names: Iterable[str], where: str) -> tuple[str, ...]:
        """The wanted ones of these archives, sorted; names that are not archives of the data set are left out.

        Args:
            names: archive names without suffix.
            where: the source, for messages.

        Raises:
            ConfigurationError: a wanted domain, domain-year or year is not among the archives, or no domain-year fits
                both.
        """
        present = [name for name in names if name == METADATA_ARCHIVE or parse_archive(name) is not None]
        fitting = self._domain_years(present, where)
        return tuple(sorted(name for name in present if self._wants(name, fitting)))

    def _domain_years(self, names: Iterable[str], where: str) -> set[tuple[str, str]]:
        """Domain and year of what fits domains and years."""
        parsed = [archive for name in names if (archive := parse_archive(name)) is not None]
        known = {(archive.domain, archive.year) for archive in parsed if archive.year != HISTORICAL_YEAR}
        domains = {domain for domain, _ in known} | {f"{domain}-{year}" for domain, year in known}
        _require(self.domains, domains, f"a domain or domain-year of {where}")
        _require(self.years, {year for _, year in known}, f"a year of the aerial campaigns of {where}")
        fitting = {
            (domain, year)
            for domain, year in known
            if (self.domains is None or not self.domains.isdisjoint({domain, f"{domain}-{year}"}))
            and (self.years is None or year in self.years)
        }
        if known and not fitting:
            raise ConfigurationError(
                f"Expected a domain-year of {where} that fits both {', '.join(sorted(self.domains or ()))} and "
                f"{', '.join(sorted(self.years or ()))}, but there is none; widen the choice."
            )
        return fitting

    def _wants(self, name: str, fitting: set[tuple[str, str]]) -> bool:
        archive = parse_archive(name)
        if archive is None:
            return True
        if self.modalities is not None and archive.modality not in with_companions(self.modalities):
            return False
        if archive.year == HISTORICAL_YEAR:
            return (self.domains is None and self.years is None) or archive.domain in {domain for domain, _ in fitting}
        return (archive.domain, archive.year) in fitting


def selection_of(subset: SubsetParams) -> Selection:
    """The archives that `data.subset` wants of a source.

    Raises:
        ConfigurationError: a row or modality does not exist.
    """
    layers = set(subset.modalities or ())
    for row in subset.rows or ():
        if row not in PUBLISHED_ROWS:
            raise ConfigurationError(
                f"Expected data.subset.rows to name rows of the published benchmark, but got {row!r}"
                f"{nearest(row, PUBLISHED_ROWS)} The layers of a row of your own go to data.subset.modalities."
            )
        layers |= {*PUBLISHED_ROWS[row].modalities, PUBLISHED_ROWS[row].task}
    everything = subset.rows is None and subset.modalities is None
    return Selection(
        domains=None if subset.domains is None else frozenset(subset.domains),
        years=None if subset.years is None else frozenset(map(str, subset.years)),
        modalities=None if everything else frozenset(layers),
    )


def _require(wanted: Iterable[str] | None, known: set[str], what: str) -> None:
    for name in sorted(wanted or ()):
        if name not in known:
            raise ConfigurationError(f"Expected {what}, but got {name!r}{nearest(name, known)}")
