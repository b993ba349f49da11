"""Legends as files for other programs: QGIS, OGC servers, GDAL, scripts. The same legend gives the same bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from dataclasses import asdict
from xml.etree import ElementTree as ET

from flairhub.errors import ConfigurationError
from flairhub.maps.legend import Legend, nearest_of

_SLD = "http://www.opengis.net/sld"
_SCHEMA = f"{_SLD} http://schemas.opengis.net/sld/1.0.0/StyledLayerDescriptor.xsd"
_XSI = "http://www.w3.org/2001/XMLSchema-instance"


def render_legend(legend: Legend, form: str, *, band: int = 1) -> str:
    """A legend as the text of a file, UTF-8, ending with a line break.

    Args:
        legend: from `build_legend`.
        form: a key of `FORMATS`.
        band: 1-based band of the raster that the style shows: 1 for predictions, the level for LPIS label files.
            Only `qml` and `sld` say it.

    Raises:
        ConfigurationError: no such format, or a band below 1.
    """
    if form not in FORMATS:
        raise ConfigurationError(f"Expected a format of legends, but got {form!r}{nearest_of(form, FORMATS)}")
    if band < 1:
        raise ConfigurationError(f"Expected a band counted from 1, but got {band}; predictions have only band 1.")
    return FORMATS[form](legend, band)


def _qml(legend: Legend, band: int) -> str:
    """A QGIS layer style: paletted raster renderer (QGIS 3)."""
    root = ET.Element("qgis", {"version": "3.22.0", "styleCategories": "Symbology"})
    root.append(ET.Comment(_remark(legend)))
    pipe = ET.SubElement(root, "pipe")
    renderer = ET.SubElement(
        pipe,
        "rasterrenderer",
        {"type": "paletted", "band": str(band), "opacity": "1", "alphaBand": "-1", "nodataColor": ""},
    )
    ET.SubElement(renderer, "rasterTransparency")
    palette = ET.SubElement(renderer, "colorPalette")
    for entry in legend.entries:
        ET.SubElement(
            palette,
            "paletteEntry",
            {"value": str(entry.value), "color": entry.colour, "alpha": "255", "label": entry.label},
        )
    ET.SubElement(root, "blendMode").text = "0"
    return "<!DOCTYPE qgis PUBLIC 'http://mrcc.com/qgis.dtd' 'SYSTEM'>\n" + _xml(root)


def _sld(legend: Legend, band: int) -> str:
    """An OGC Styled Layer Descriptor 1.0.0.

    `ColorMap type="values"` is not in the schema of 1.0.0: GeoServer and MapServer read it, and without it a server
    interpolates between classes.
    """
    root = ET.Element(
        "StyledLayerDescriptor",
        {"version": "1.0.0", "xmlns": _SLD, "xmlns:xsi": _XSI, "xsi:schemaLocation": _SCHEMA},
    )
    root.append(ET.Comment(_remark(legend)))
    layer = ET.SubElement(root, "NamedLayer")
    ET.SubElement(layer, "Name").text = legend.task
    style = ET.SubElement(layer, "UserStyle")
    ET.SubElement(style, "Name").text = f"{legend.task}_level{legend.level}_{legend.language}"
    ET.SubElement(style, "Title").text = legend.title
    rule = ET.SubElement(ET.SubElement(style, "FeatureTypeStyle"), "Rule")
    symbolizer = ET.SubElement(rule, "RasterSymbolizer")
    ET.SubElement(symbolizer, "Opacity").text = "1"
    channel = ET.SubElement(ET.SubElement(symbolizer, "ChannelSelection"), "GrayChannel")
    ET.SubElement(channel, "SourceChannelName").text = str(band)
    colours = ET.SubElement(symbolizer, "ColorMap", {"type": "values"})
    for entry in legend.entries:
        ET.SubElement(
            colours,
            "ColorMapEntry",
            {"color": entry.colour, "quantity": str(entry.value), "label": entry.label, "opacity": "1"},
        )
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _xml(root)


def _gdal(legend: Legend, _: int) -> str:
    """A colour file for `gdaldem color-relief -nearest_color_entry -alpha`.

    GDAL takes value, red, green, blue and alpha of a line and ignores the rest: the label is for the reader. With
    `-exact_color_entry` GDAL 3.6 paints only value 0 of a byte raster.
    """
    lines = [f"# {legend.title}", *(f"# {note}" for note in legend.notes)]
    for entry in legend.entries:
        label = entry.label.replace(",", ";")
        lines.append(",".join([str(entry.value), *map(str, entry.rgb), "255", label]))
    return "\n".join(lines) + "\n"


def _json(legend: Legend, _: int) -> str:
    value = asdict(legend)
    classes = zip(value.pop("entries"), legend.entries, strict=True)
    value["classes"] = [fields | {"rgb": list(entry.rgb)} for fields, entry in classes]
    return json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False, allow_nan=False) + "\n"


def _csv(legend: Legend, _: int) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(["value", "name", "label", "colour", "red", "green", "blue", "scored"])
    for entry in legend.entries:
        table.writerow([entry.value, entry.name, entry.label, entry.colour, *entry.rgb, str(entry.scored).lower()])
    return text.getvalue()


FORMATS: dict[str, Callable[[Legend, int], str]] = {"qml": _qml, "sld": _sld, "gdal": _gdal, "json": _json, "csv": _csv}
"""Name of a format -> its writer."""


def _remark(legend: Legend) -> str:
    """What a legend is, for a comment in XML (which must not hold two hyphens in a row)."""
    return " " + " ".join([f"{legend.title}.", *legend.notes]).replace("--", "-") + " "


def _xml(root: ET.Element) -> str:
    ET.indent(root, space=" ")
    return ET.tostring(root, encoding="unicode") + "\n"
