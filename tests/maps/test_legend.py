"""Legends and their file formats, read back by independent readers and compared with the taxonomy."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace

import numpy as np
import pytest

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.cli.main import main
from flairhub.errors import DataError
from flairhub.maps.legend import LANGUAGES, build_legend, find_task
from flairhub.maps.legend_formats import FORMATS, render_legend

CASES = [(COSIA, 1), (LPIS, 1), (LPIS, 2), (LPIS, 3)]
SLD = "{http://www.opengis.net/sld}"
Shown = list[tuple[int, str, str]]


def of_qml(text: str, band: int = 1) -> Shown:
    root = ET.fromstring(text)
    assert root.tag == "qgis"
    assert tuple(map(int, root.attrib["version"].split("."))) >= (3, 0, 0)
    (renderer,) = root.findall("./pipe/rasterrenderer")
    assert (renderer.attrib["type"], renderer.attrib["band"]) == ("paletted", str(band))
    entries = renderer.findall("./colorPalette/paletteEntry")
    assert {entry.attrib["alpha"] for entry in entries} == {"255"}
    return [(int(e.attrib["value"]), e.attrib["color"], e.attrib["label"]) for e in entries]


def of_sld(text: str, band: int = 1) -> Shown:
    root = ET.fromstring(text.encode())
    assert (root.tag, root.attrib["version"]) == (f"{SLD}StyledLayerDescriptor", "1.0.0")
    (symbolizer,) = root.findall("/".join(f"{SLD}{tag}" for tag in SLD_PATH))
    # The schema fixes this order.
    assert [child.tag.removeprefix(SLD) for child in symbolizer] == ["Opacity", "ChannelSelection", "ColorMap"]
    channel = symbolizer.find(f"{SLD}ChannelSelection/{SLD}GrayChannel/{SLD}SourceChannelName")
    assert channel is not None
    assert channel.text == str(band)
    (colours,) = symbolizer.findall(f"{SLD}ColorMap")
    assert colours.attrib == {"type": "values"}
    return [(int(e.attrib["quantity"]), e.attrib["color"], e.attrib["label"]) for e in colours]


SLD_PATH = ("NamedLayer", "UserStyle", "FeatureTypeStyle", "Rule", "RasterSymbolizer")


def of_gdal(text: str) -> Shown:
    rows = [line.split(",") for line in text.splitlines() if not line.startswith("#")]
    assert {row[4] for row in rows} == {"255"}
    return [(int(r[0]), "#" + "".join(f"{int(channel):02x}" for channel in r[1:4]), r[5]) for r in rows]


def of_json(text: str) -> Shown:
    entries = json.loads(text)["classes"]
    assert all("#{:02x}{:02x}{:02x}".format(*entry["rgb"]) == entry["colour"] for entry in entries)
    return [(entry["value"], entry["colour"], entry["label"]) for entry in entries]


def of_csv(text: str) -> Shown:
    entries = list(csv.DictReader(io.StringIO(text, newline="")))
    channels = [[int(e[name]) for name in ("red", "green", "blue")] for e in entries]
    assert ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in channels] == [e["colour"] for e in entries]
    return [(int(entry["value"]), entry["colour"], entry["label"]) for entry in entries]


READERS = {"qml": of_qml, "sld": of_sld, "gdal": of_gdal, "json": of_json, "csv": of_csv}


def test_every_format_is_tested():
    assert READERS.keys() == FORMATS.keys()


@pytest.mark.parametrize("form", sorted(READERS))
@pytest.mark.parametrize(("task", "level"), CASES)
def test_every_class_colour_and_name_is_that_of_the_taxonomy(form, task, level):
    found = taxonomy(task, level)
    shown = READERS[form](render_legend(build_legend(task, level=level), form))
    assert shown == list(zip(range(found.num_classes), found.colours, found.classes, strict=True))


@pytest.mark.parametrize("form", sorted(READERS))
@pytest.mark.parametrize(("task", "level"), CASES)
def test_french_changes_the_labels_only(form, task, level):
    english = build_legend(task, level=level)
    french = build_legend(task, level=level, language="fr")
    assert [replace(entry, label="") for entry in french.entries] == [
        replace(entry, label="") for entry in english.entries
    ]
    shown = READERS[form](render_legend(french, form))
    assert [label for _, _, label in shown] == [entry.label for entry in french.entries]
    assert all(label and label == label.strip() for _, _, label in shown)
    assert [colour for _, colour, _ in shown] == list(taxonomy(task, level).colours)


def test_some_french_names():
    cosia = [entry.label for entry in build_legend("cosia", language="fr").entries]
    assert (cosia[0], cosia[8], cosia[12], cosia[13]) == ("bâtiment", "végétation herbacée", "feuillus", "conifères")
    lpis = {entry.name: entry.label for entry in build_legend("lpis", level=3, language="FR").entries}
    assert (lpis["maize"], lpis["winter wheat"], lpis["clover"]) == ("maïs", "blé d'hiver", "trèfle")


def test_a_legend_says_what_is_not_official():
    assert build_legend(COSIA).notes == ()
    assert build_legend(LPIS).notes == ()
    (translated,) = build_legend(COSIA, language="fr").notes
    assert "translation" in translated
    both = build_legend(LPIS, level=2, language="fr").notes
    assert any("No colours are published for level 2" in note for note in both)
    for form in ("qml", "sld", "gdal", "json"):
        text = render_legend(build_legend(LPIS, level=2, language="fr"), form)
        assert all(note in text for note in both)


def test_scored_classes_are_those_of_the_published_protocol():
    assert [entry.value for entry in build_legend(COSIA).entries if entry.scored] == list(range(15))
    assert all(entry.scored for entry in build_legend(LPIS).entries)


HOSTILE = "grass & <weeds> \"tall\" 'low', 1:2 # é œ ]]>"


@pytest.mark.parametrize("form", sorted(READERS))
def test_special_characters_survive(form):
    legend = build_legend(COSIA)
    first = replace(legend.entries[0], label=HOSTILE)
    hostile = replace(legend, entries=(first, *legend.entries[1:]), notes=("a -- b --> c & d",), title="<&>é")
    shown = READERS[form](render_legend(hostile, form))
    wanted = HOSTILE.replace(",", ";") if form == "gdal" else HOSTILE  # its fields have no quotes
    assert shown[0] == (0, "#db0e9a", wanted)
    assert shown[1:] == READERS[form](render_legend(legend, form))[1:]


@pytest.mark.parametrize("form", sorted(READERS))
def test_the_same_bytes_every_time(form, tmp_path, capfdbinary):
    paths = [tmp_path / name for name in ("a", "b")]
    for path in paths:
        assert main(["legend", "lpis", "--format", form, "--level", "3", "--language", "fr", "-o", str(path)]) == 0
    capfdbinary.readouterr()
    assert main(["legend", LPIS, "--format", form, "--level", "3", "--language", "fr"]) == 0
    shown = capfdbinary.readouterr().out
    assert paths[0].read_bytes() == paths[1].read_bytes() == shown
    assert b"\r" not in shown
    assert shown.endswith(b"\n")
    assert "blé d'hiver" in shown.decode("utf-8")


@pytest.mark.parametrize("band", [1, 3])
def test_the_band_of_a_label_file_can_be_shown(band):
    legend = build_legend(LPIS, level=3)
    assert len(of_qml(render_legend(legend, "qml", band=band), band)) == 46
    assert len(of_sld(render_legend(legend, "sld", band=band), band)) == 46


def test_predictions_have_the_colours_of_the_legend(tmp_path):
    import rasterio

    from flairhub.maps.geotiff import Georeference, write_prediction

    path = tmp_path / "map.tif"
    where = Georeference(crs="EPSG:2154", bounds=(0.0, 0.0, 10.0, 10.0))
    write_prediction(path, np.zeros((10, 10), np.uint8), where, taxonomy(LPIS, 3))
    with rasterio.open(path) as raster:
        colours, tags = raster.colormap(1), raster.tags(1)
    for value, colour, label in of_qml(render_legend(build_legend(LPIS, level=3), "qml")):
        assert "#{:02x}{:02x}{:02x}".format(*colours[value][:3]) == colour
        assert tags[f"CLASS_{value:02d}"] == label


@pytest.mark.skipif(shutil.which("gdaldem") is None, reason="no gdaldem on this machine (Debian: gdal-bin)")
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(("task", "level"), CASES)
def test_gdaldem_paints_every_class(task, level, language, tmp_path):
    import rasterio

    legend = build_legend(task, level=level, language=language)
    values = np.arange(len(legend.entries), dtype=np.uint8)[None]
    options = {"count": 1, "dtype": "uint8", "height": 1, "width": values.size, "crs": "EPSG:2154"}
    with rasterio.open(
        tmp_path / "a.tif", "w", driver="GTiff", transform=rasterio.transform.from_origin(0, 1, 1, 1), **options
    ) as raster:
        raster.write(values, 1)
    (tmp_path / "legend.txt").write_text(render_legend(legend, "gdal"), encoding="utf-8")
    command = ["gdaldem", "color-relief", "a.tif", "legend.txt", "b.tif", "-nearest_color_entry", "-alpha", "-q"]
    users = {name: value for name, value in os.environ.items() if name != "GDAL_SKIP"}  # ours is for our own GDAL
    done = subprocess.run(command, cwd=tmp_path, env=users, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    with rasterio.open(tmp_path / "b.tif") as raster:
        painted = raster.read()[:, 0].T
    assert [tuple(map(int, pixel)) for pixel in painted] == [(*entry.rgb, 255) for entry in legend.entries]


@pytest.mark.parametrize("name", ["cosia", "COSIA", "AERIAL_LABEL-COSIA", "aerial_label-cosia"])
def test_tasks_have_short_names(name):
    assert find_task(name) == COSIA


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["cosai", "--format", "qml"], "did you mean 'cosia'"),
        (["AERIAL_LABEL_COSIA", "--format", "qml"], "did you mean 'AERIAL_LABEL-COSIA'"),
        (["lpis", "--format", "qlm"], "did you mean 'qml'"),
        (["lpis", "--format", "csv", "--language", "frr"], "did you mean 'fr'"),
        (["lpis", "--format", "csv", "--level", "4"], "ALL_LABEL-LPIS level 3"),
        (["cosia", "--format", "csv", "--level", "2"], "AERIAL_LABEL-COSIA level 1"),
        (["cosia", "--format", "qml", "--band", "0"], "counted from 1"),
    ],
)
def test_a_mistake_names_what_is_near_and_writes_nothing(words, message, tmp_path, capsys):
    assert main(["legend", *words, "-o", str(tmp_path / "out")]) == 1
    said = capsys.readouterr()
    assert message in said.err
    assert said.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_table_of_names_is_refused(monkeypatch):
    import flairhub.maps.legend as module

    module._french.cache_clear()
    try:
        with monkeypatch.context() as patch:
            patch.setattr(module, "taxonomy", lambda *_: replace(taxonomy(COSIA), classes=("new class",)))
            with pytest.raises(DataError, match="one label per class"):
                module._french()
    finally:
        module._french.cache_clear()


def test_nothing_that_trains_imports_it():
    script = "import sys, flairhub.rows.evaluate; print('flairhub.maps.legend' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
