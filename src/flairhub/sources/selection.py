"""Which archives of a source are wanted."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import HISTORICAL_YEAR, parse_archive
from flairhub.config.base import nearest
from flairhub.errors import ConfigurationError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """A wish: some domain-years, some modalities. The metadata archive always belongs to it."""

    domains: frozenset[str] | None = None
    """Domain-years, e.g. `D012-2019`; None: all. The historical archive (`195X`) of their domain comes along."""
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
            ConfigurationError: a wanted domain-year is not among the archives.
        """
        present = [name for name in names if name == METADATA_ARCHIVE or parse_archive(name) is not None]
        self._check_domains(present, where)
        return tuple(sorted(name for name in present if self._wants(name)))

    def _check_domains(self, names: Iterable[str], where: str) -> None:
        parsed = [archive for name in names if (archive := parse_archive(name)) is not None]
        known = {f"{archive.domain}-{archive.year}" for archive in parsed if archive.year != HISTORICAL_YEAR}
        for domain in sorted(self.domains or ()):
            if domain not in known:
                raise ConfigurationError(
                    f"Expected data.domains to name domain-years of {where}, but got {domain!r}{nearest(domain, known)}"
                )

    def _wants(self, name: str) -> bool:
        archive = parse_archive(name)
        if archive is None:
            return True
        if self.modalities is not None and archive.modality not in self._layers():
            return False
        if self.domains is None:
            return True
        if archive.year == HISTORICAL_YEAR:
            return archive.domain in {domain.rsplit("-", 1)[0] for domain in self.domains}
        return f"{archive.domain}-{archive.year}" in self.domains

    def _layers(self) -> set[str]:
        wanted = set(self.modalities or ())
        return wanted | {companion for name in wanted if (companion := MODALITIES[name].companion) is not None}
