"""Archives as the published ones: 60 patches of 512 pixels, ten layers, LZW, drawn from three landscapes."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import METADATA_ARCHIVE, MODALITIES
from flairhub.catalog.names import PatchId, archive_of, member_of, parse_patch_id
from flairhub.config.pipeline import SampleParams
from flairhub.config.profiles import profile_text
from flairhub.config.reader import parse_params
from flairhub.config.recipe import Recipe
from flairhub.config.resolve import row_recipe
from flairhub.records.inputs import BandStatistics, RowInputs, row_layers
from flairhub.records.patches import PatchEntry, Patches
from flairhub.sample.layers import RoiLayers, render_roi
from flairhub.sample.layout import plan
from flairhub.sample.metadata import metadata_members
from flairhub.sample.rasters import geotiff
from flairhub.sample.zips import write_zip

ROOT = Path(__file__).resolve().parents[1]
PARAMS = SampleParams(
    seed=1, train_domains=2, test_domains=1, rois_per_domain=1, patches_per_roi=4, valid_share=0.5, aerial_px=512,
    dates=60,
)  # fmt: skip
COPIES = 5
"""Regions of each domain with the same pixels: what is drawn once is read as often as needed."""


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """The archives, and their files extracted beside them for who reads files."""

    folder: Path
    files: Path
    entries: tuple[PatchEntry, ...]

    @property
    def reader(self) -> PatchReader:
        return PatchReader(self.folder)

    def paths(self, layers: tuple[str, ...], entries: Patches) -> list[Path]:
        """Files of some layers of some patches, extracted."""
        return [self.files / member_of(parse_patch_id(entry.patch_id), layer) for entry in entries for layer in layers]

    def inputs(self, recipe: Recipe) -> RowInputs:
        """What a row reads of them: 40 patches for training, 10 each for valid and test."""
        layers = row_layers(recipe)
        series = [name for name in recipe.modalities if MODALITIES[name].is_series]
        own = [
            PatchEntry(
                patch_id=entry.patch_id,
                crc32={layer: entry.crc32[layer] for layer in layers},
                dates={name: entry.dates[name] for name in series},
                rejected_dates=dict.fromkeys(series, ()),
            )
            for entry in self.entries
        ]
        unit = BandStatistics(mean=100.0, std=50.0)
        return RowInputs(
            row=recipe.row,
            recipe=recipe,
            statistics={name: dict.fromkeys((*MODALITIES[name].bands, "HEIGHT"), unit) for name in recipe.modalities},
            sizes={name: (MODALITIES[name].size_px,) * 2 for name in layers},
            archives=dict.fromkeys(
                sorted({archive_of(parse_patch_id(e.patch_id), la) for e in own for la in layers}), "0" * 64
            ),
            splits={"train": Patches.of(own[:40]), "valid": Patches.of(own[40:50]), "test": Patches.of(own[50:])},
        )


def draw(folder: Path) -> Drawn:
    """Draw the archives into an empty folder."""
    drawn = folder / "archives", folder / "files"
    for each in drawn:
        each.mkdir(parents=True, exist_ok=True)
    domains = plan(PARAMS)
    entries: list[PatchEntry] = []
    dates: dict[str, dict[str, tuple[str, ...]]] = {}
    for domain in domains:
        layers = render_roi(domain.rois[0], PARAMS)
        for copy in range(COPIES):
            entries += _write(layers, copy, *drawn)
            dates[entries[-1].patch_id.rsplit("_", 1)[0]] = layers.dates
    rois = [
        replace(roi, name=_renamed(roi.patches[0], copy).roi, patches=tuple(_renamed(p, copy) for p in roi.patches))
        for domain in domains
        for roi in domain.rois
        for copy in range(COPIES)
    ]
    split = {"split_1": {str(patch): "train" for roi in rois for patch in roi.patches}}
    write_zip(drawn[0] / f"{METADATA_ARCHIVE}.zip", metadata_members(rois, dates, split), deflated=True)
    return Drawn(folder=drawn[0], files=drawn[1], entries=tuple(sorted(entries, key=lambda entry: entry.patch_id)))


def _write(layers: RoiLayers, copy: int, folder: Path, files: Path) -> list[PatchEntry]:
    entries = []
    for position, original in enumerate(layers.scene.roi.patches):
        patch = _renamed(original, copy)
        crc32 = {}
        for layer in MODALITIES:
            array = layers.cut(layer, position)
            step = array.shape[-1] // MODALITIES[layer].size_px  # the sample's SPOT is finer than the published
            data = geotiff(array[..., ::step, ::step], layers.scene.roi.bounds(original), compress="lzw")
            path = files / member_of(patch, layer)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            crc32[layer] = zlib.crc32(data)
            with zipfile.ZipFile(folder / f"{archive_of(patch, layer)}.zip", "a") as archive:
                archive.write(path, member_of(patch, layer))
        series = {name: layers.dates[name] for name in MODALITIES if MODALITIES[name].kind == "series"}
        entries.append(PatchEntry(patch_id=str(patch), crc32=crc32, dates=series, rejected_dates={}))
    return entries


def _renamed(patch: PatchId, copy: int) -> PatchId:
    letters, series, number = patch.roi.split("-")
    return replace(patch, roi=f"{letters}-{series}-{int(number) + 100 * copy}")


def _values() -> dict[str, Any]:
    """Parameters of the profile for large patches on a CPU, nothing of which is fetched."""
    text = profile_text(ROOT / "profiles", "local", sets=["model.mono.encoder_weights=null"])
    values: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return values


def section(name: str) -> dict[str, Any]:
    """A section of the parameters."""
    return dict(_values()[name])


def recipe(row: str, **changes: Any) -> Recipe:
    """The recipe of a row of the profile, with sections changed; the row `ALL` has every input."""
    values = _values()
    rows = {**values["rows"], "ALL": {"tasks": ["AERIAL_LABEL-COSIA"], "modalities": list(MODALITIES)[:7]}}
    return row_recipe(parse_params({**values, "rows": rows, **changes}, "benchmark"), row)
