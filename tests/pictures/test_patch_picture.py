from __future__ import annotations

import numpy as np
import pytest

from flairhub.archives.raster import read_array
from flairhub.archives.reader import PatchReader
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.catalog.taxonomies import LPIS, taxonomy
from flairhub.errors import DataError, MissingFileError
from flairhub.pictures.patch_grid import flow, rest_of_row
from flairhub.pictures.patch_layers import SeriesDates, ndvi_of, read_layers
from flairhub.pictures.patch_panels import curves_of, legend_of, panels_of
from flairhub.pictures.patch_picture import draw_patch

REAL = "D914-2017_FF-S1-1_1-1"
PATCH = "D001-2020_AA-S1-1_1-1"
SIZES = {"AERIAL": 32, "DEM": 32, "ALL": 32, "SPOT": 8}


@pytest.fixture
def full(tmp_path, geotiff, store_archive):
    """One patch with every modality; LPIS: the left half wheat, the right half background."""
    rng = np.random.default_rng(5)
    patch = parse_patch_id(PATCH)
    for modality, layer in MODALITIES.items():
        side = next((size for prefix, size in SIZES.items() if modality.startswith(prefix)), 4)
        bands = len(layer.bands) * (4 if layer.is_series else 1)
        array = rng.integers(0, 15 if layer.kind == "label" else 200, (bands, side, side))
        if modality == LPIS:
            array[:, :, :16], array[:, :, 16:] = 1, 22
        if modality == "SENTINEL2_TS":
            array = array.reshape(4, 10, 4, 4)
            array[:, 6, :, :2], array[:, 2, :, :2] = 300, 100
            array = array.reshape(40, 4, 4)
        data = geotiff(array.astype(layer.dtype))
        store_archive(tmp_path, archive_of(patch, modality), {member_of(patch, modality): data})
    return PatchReader(tmp_path)


def test_every_modality_has_its_panels(full):
    layers = read_layers(full, PATCH)
    calendar = SeriesDates(dates=("20200110", "20200420", "20200701", "20201101"), cloudy=(False, True, False, False))
    panels = panels_of(layers, {"SENTINEL2_TS": calendar})
    assert [(panel.title, panel.note) for panel in panels] == [
        ("aerial", "32 px of 3.2 m"),
        ("aerial, NIR-R-G", "32 px of 3.2 m"),
        ("historical", "32 px of 3.2 m"),
        ("height, DSM - DTM", "32 px of 3.2 m"),
        ("SPOT", "8 px of 12.8 m"),
        ("Sentinel-2", "2020-01-10"),
        ("Sentinel-2", "2020-07-01"),
        ("Sentinel-2", "2020-11-01"),
        ("Sentinel-1", "ascending, date 2 of 4"),
        ("Sentinel-1", "descending, date 2 of 4"),
        ("label, COSIA", "32 px of 3.2 m"),
        ("label, LPIS level 1", "32 px of 3.2 m"),
    ]
    aerial, dem = layers["AERIAL_RGBI"].array, layers["DEM_ELEV"].array
    np.testing.assert_allclose(panels[0].image, aerial[:3].transpose(1, 2, 0) / 255)
    np.testing.assert_allclose(panels[1].image, aerial[[3, 0, 1]].transpose(1, 2, 0) / 255)
    np.testing.assert_allclose(panels[3].image, dem[0] - dem[1])
    assert panels[3].unit == "m"
    wheat = taxonomy(LPIS).colours[1]
    np.testing.assert_allclose(panels[-1].image[0, 0], [int(wheat[k : k + 2], 16) / 255 for k in (1, 3, 5)])


def test_a_cloudy_date_is_marked(full):
    calendar = SeriesDates(dates=("20200110", "20200420", "20200701", "20201101"), cloudy=(True,) * 4)
    shown = [panel for panel in panels_of(read_layers(full, PATCH), {"SENTINEL2_TS": calendar}) if panel.cloudy]
    assert [panel.note for panel in shown] == ["2020-01-10, cloudy", "2020-07-01, cloudy", "2020-11-01, cloudy"]


def test_legend_and_curves_of_the_crops(full):
    layers = read_layers(full, PATCH)
    cosia, lpis = legend_of(layers)
    assert sum(share for *_, share in cosia.entries) == pytest.approx(100)
    assert [share for *_, share in cosia.entries] == sorted((share for *_, share in cosia.entries), reverse=True)
    assert lpis.entries == (("wheat", "#d7e600", 50.0), ("background", "#000000", 50.0))
    (wheat,) = curves_of(layers)
    assert (wheat.name, wheat.num_pixels) == ("wheat", 8)
    np.testing.assert_allclose(wheat.values, [0.5] * 4)


def test_a_calendar_of_another_length_is_refused(full):
    with pytest.raises(DataError, match="expected 4 dates as in the file, but the calendar has 1"):
        panels_of(read_layers(full, PATCH), {"SENTINEL2_TS": SeriesDates(dates=("20200101",))})


def test_a_label_outside_the_taxonomy_is_refused(full):
    layers = read_layers(full, PATCH)
    layers[LPIS].array[0, 0, 0] = 23
    with pytest.raises(DataError, match=r"values 0\.\.22, but got 23"):
        legend_of(layers)


def test_a_real_patch_without_some_modalities_in_its_own_sizes(treesat, tmp_path):
    reader = PatchReader(treesat)
    layers = read_layers(reader, REAL)
    (whole,) = curves_of(layers)
    cube = read_array(reader.read("D914-2017_SENTINEL2_TS", member_of(parse_patch_id(REAL), "SENTINEL2_TS")))
    wanted = [ndvi_of(cube.astype(float).reshape(-1, 10, 6, 6))[t].mean() for t in range(92)]
    assert (whole.name, whole.num_pixels) == ("whole patch", 36)
    np.testing.assert_allclose(whole.values, wanted)
    for name in ("one.png", "two.png"):
        draw_patch(reader, REAL, tmp_path / name, {})
    first = (tmp_path / "one.png").read_bytes()
    assert first == (tmp_path / "two.png").read_bytes()
    assert len(first) < 600_000
    assert b"Software" not in first


def test_the_picture_of_a_full_patch_says_what_it_shows(full, tmp_path):
    calendar = SeriesDates(dates=("20200110", "20200420", "20200701", "20201101"), cloudy=(True, False, False, False))
    draw_patch(full, PATCH, tmp_path / "patch.svg", {"SENTINEL2_TS": calendar}, note="a note")
    text = (tmp_path / "patch.svg").read_text()
    for words in (PATCH, "a note", "102.4 m a side", "wheat, 8 px", "Sentinel-2, 4 dates, 1 cloudy (hollow)"):
        assert words in text
    assert "no cloud mask" not in text


def test_what_is_not_there_is_an_error(treesat, tmp_path):
    with pytest.raises(MissingFileError, match="has no layer there"):
        draw_patch(PatchReader(treesat), PATCH, tmp_path / "patch.png", {})
    with pytest.raises(DataError, match="patch id"):
        draw_patch(PatchReader(treesat), "nonsense", tmp_path / "patch.png", {})
    assert list(tmp_path.iterdir()) == []


def test_a_year_needs_two_columns():
    assert [(slot.row, slot.column) for slot in flow(7)][-2:] == [(1, 0), (1, 1)]
    assert [(rest_of_row(n).row, rest_of_row(n).column, rest_of_row(n).span) for n in (13, 14, 15)] == [
        (2, 3, 2),
        (3, 0, 5),
        (3, 0, 5),
    ]
