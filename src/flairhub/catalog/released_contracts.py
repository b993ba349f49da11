"""Contracts of the weights files IGN published, which carry none themselves.

Every item says how sure it is: `confirmed` by a model card or by the published configuration read together with the
benchmark table, `inferred` from the configuration alone or from the file's name, `unknown` where sources contradict
each other or are silent and a choice had to be made. Sources: model cards of LC-A (R, G, B) and LC-I, shipped
configuration of the reference code (`REF`), card tables for the names.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.rows import PUBLISHED_ROWS
from flairhub.catalog.statistics import REFERENCE, PublishedStatistics
from flairhub.errors import ConfigurationError

Status = Literal["confirmed", "inferred", "unknown"]
ValueT = TypeVar("ValueT")


@dataclass(frozen=True, slots=True)
class Stated(Generic[ValueT]):
    """A value with how sure it is and who says so."""

    value: ValueT
    status: Status
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedInput:
    """One input of a published file."""

    modality: str
    bands: Stated[tuple[str, ...]]
    """Names in network order; `HEIGHT` is DSM - DTM."""
    statistics: Stated[dict[str, PublishedStatistics] | None]
    """Band -> mean and standard deviation in the modality's unit; None: values enter as they are."""
    size_px: Stated[int]
    """Side of a patch, pixels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasedWeights:
    """One published file."""

    file: Stated[str]
    """Name of the file (and of its repository) without suffix."""
    row: str
    """Row of the benchmark it belongs to."""
    benchmark: bool
    """Whether it is the file of the row's published figures, not a variant of its encoder or bands."""
    task: str
    level: int
    """Nomenclature level."""
    arch: Stated[str | None]
    """`<encoder>-<decoder>` of the mono-date branch; None where there is none."""
    inputs: tuple[ReleasedInput, ...]
    """In encoder order."""
    ref_date: Stated[str]
    """MM-DD to which dates refer."""
    sha256: str | None = None
    """Checksum, where somebody has recorded it."""

    @property
    def unknown(self) -> tuple[str, ...]:
        """Dotted names of the items that are not known."""
        items: dict[str, Stated[object]] = {"file": self.file, "arch": self.arch, "ref_date": self.ref_date}  # type: ignore[dict-item]  # Stated is read, not changed
        for entry in self.inputs:
            for name in ("bands", "statistics", "size_px"):
                items[f"{entry.modality}.{name}"] = getattr(entry, name)
        return tuple(name for name, item in items.items() if item.status == "unknown")


_NAMES = {
    "swintiny": "swin_tiny_patch4_window7_224",
    "swinsmall": "swin_small_patch4_window7_224",
    "swinbase": "swin_base_patch4_window12_384",
    "swinlarge": "swin_large_patch4_window12_384",
    "convnextv2tiny": "convnextv2_tiny",
    "convnextv2base": "convnextv2_base",
}
_IR = ("NIR", "R", "G")
_RGB = ("R", "G", "B")
_CARD = "model card LC-A (R, G, B)"
_CARD_SPOT = "model card LC-I and issue FLAIR-HUB#4"
_REF = "shipped configuration of the reference code"
_SPOT_CARD = {
    "NIR": PublishedStatistics(mean=1137.09, std=543.11),
    "R": PublishedStatistics(mean=433.26, std=312.76),
    "G": PublishedStatistics(mean=508.75, std=284.61),
}


def _aerial(bands: tuple[str, ...]) -> ReleasedInput:
    source = _CARD if bands == _RGB else f"{_REF}: channels [4, 1, 2]"
    return ReleasedInput(
        modality="AERIAL_RGBI",
        bands=Stated(bands, "confirmed", source),
        statistics=Stated({band: REFERENCE["AERIAL_RGBI"][band] for band in bands}, "confirmed", source),
        size_px=Stated(512, "confirmed", "data set"),
    )


def _elevation() -> ReleasedInput:
    bands = ("DSM", "HEIGHT")
    return ReleasedInput(
        modality="DEM_ELEV",
        bands=Stated(bands, "unknown", f"{_REF} stacks DSM and DSM - DTM; whether the published run did is not stated"),
        statistics=Stated(
            {band: REFERENCE["DEM_ELEV"][band] for band in bands},
            "unknown",
            f"{_REF} normalises the height with statistics of the altitude",
        ),
        size_px=Stated(512, "confirmed", "data set"),
    )


def _spot(alone: bool) -> ReleasedInput:
    if alone:
        statistics: Stated[dict[str, PublishedStatistics] | None] = Stated(_SPOT_CARD, "confirmed", _CARD_SPOT)
    else:
        note = "the card of LC-I has them by band; the shipped configuration applies R's to NIR, G's to R and B's to G"
        statistics = Stated(_SPOT_CARD, "unknown", note)
    return ReleasedInput(
        modality="SPOT_RGBI",
        bands=Stated(_IR, "confirmed" if alone else "inferred", _CARD_SPOT if alone else f"{_REF}: channels [4, 1, 2]"),
        statistics=statistics,
        size_px=Stated(64, "confirmed", "data set"),
    )


def _series(name: str) -> ReleasedInput:
    modality = MODALITIES[name]
    return ReleasedInput(
        modality=name,
        bands=Stated(modality.bands, "inferred", f"{_REF}: every band in file order"),
        statistics=Stated(None, "inferred", f"{_REF}: series are not normalised"),
        size_px=Stated(modality.size_px, "confirmed", "data set"),
    )


def _released(row: str, name: str, *, bands: tuple[str, ...] = _IR, seen: bool = True) -> ReleasedWeights:
    published = PUBLISHED_ROWS[row]
    encoder, _, decoder = name.rpartition("_")[2].partition("-")
    mono_only = len(published.modalities) == 1
    inputs: list[ReleasedInput] = []
    for modality in published.modalities:
        if modality == "AERIAL_RGBI":
            inputs.append(_aerial(bands))
        elif modality == "DEM_ELEV":
            inputs.append(_elevation())
        elif modality == "SPOT_RGBI":
            inputs.append(_spot(mono_only))
        else:
            inputs.append(_series(modality))
    arch = f"{_NAMES[encoder]}-{decoder}" if encoder in _NAMES else None
    confirmed = "_RGB_swinbase" in name or row == "LC-I"
    return ReleasedWeights(
        file=Stated(name, "confirmed" if seen else "inferred", "card tables" if seen else "pattern of the card tables"),
        row=row,
        benchmark=encoder in {"swinbase", "utae"} and decoder in {"upernet", ""} and bands == _IR,
        task=published.task,
        level=1,
        arch=Stated(arch, "confirmed" if confirmed else "inferred", "model card" if confirmed else "name of the file"),
        inputs=tuple(inputs),
        ref_date=Stated("05-15", "inferred", _REF),
    )


_ALL = (
    *(
        _released(
            "LC-A",
            f"FLAIR-HUB_LC-A_{letters}_{size}-upernet",
            bands=bands,
            seen=not (letters == "IR" and size in {"swintiny", "swinsmall"}),
        )
        for letters, bands in (("IR", _IR), ("RGB", _RGB))
        for size in ("swintiny", "swinsmall", "swinbase", "swinlarge")
    ),
    _released("LC-A", "FLAIR-HUB_LC-A_IR_convnextv2tiny-upernet"),
    _released("LC-A", "FLAIR-HUB_LC-A_IR_convnextv2base-upernet"),
    _released("LC-A", "FLAIR-HUB_LC-A_IR_convnextv2base-unet"),
    *(_released(row, f"FLAIR-HUB_{row}_swinbase-upernet") for row in ("LC-B", "LC-D", "LC-F", "LC-I", "LC-L")),
    _released("LC-G", "FLAIR-HUB_LC-G_utae"),
    *(
        _released(row, f"FLAIR-HUB_{row}_{'utae' if row == 'LPIS-F' else 'swinbase-upernet'}", seen=False)
        for row in ("LPIS-A", "LPIS-F", "LPIS-I", "LPIS-J")
    ),
)

RELEASED: Mapping[str, ReleasedWeights] = {entry.file.value: entry for entry in _ALL}
"""Published files by name without suffix."""


def released_for_row(row: str) -> ReleasedWeights:
    """The published file behind a row's figures.

    Raises:
        ConfigurationError: no file is published for the row.
    """
    for entry in RELEASED.values():
        if entry.row == row and entry.benchmark:
            return entry
    rows = sorted({entry.row for entry in RELEASED.values()})
    raise ConfigurationError(f"No weights are published for row {row!r}; published: {', '.join(rows)}.")
