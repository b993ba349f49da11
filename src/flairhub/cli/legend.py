"""`flairhub legend`: the classes and colours of a task as a style or a table."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "legend",
        help="write a task's classes and colours for QGIS, OGC servers, GDAL or scripts",
        description="Write the legend of cosia (AERIAL_LABEL-COSIA) or lpis (ALL_LABEL-LPIS): qml (QGIS style), sld "
        "(OGC SLD 1.0), gdal (colour file of gdaldem color-relief), json or csv. French names are a translation.",
    )
    parser.add_argument("task", metavar="TASK", help="cosia, lpis, or the data set's name of the label layer")
    parser.add_argument("--format", required=True, metavar="FORMAT", help="qml, sld, gdal, json or csv")
    parser.add_argument("--level", type=int, default=1, help="level of lpis: 1 (default), 2 or 3")
    parser.add_argument("--language", default="en", help="en (default) or fr")
    parser.add_argument(
        "--band",
        type=int,
        default=1,
        help="band that qml and sld show: 1 (default) for predictions, the level for label files of lpis",
    )
    parser.add_argument("-o", "--out", type=Path, metavar="FILE", help="default: standard output")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Write the legend."""
    from flairhub.files import write_text
    from flairhub.maps.legend import build_legend
    from flairhub.maps.legend_formats import render_legend

    legend = build_legend(arguments.task, level=arguments.level, language=arguments.language)
    text = render_legend(legend, arguments.format, band=arguments.band)
    if arguments.out is None:
        # The bytes of the file, whatever the encoding of the terminal.
        sys.stdout.flush()
        sys.stdout.buffer.write(text.encode())
    else:
        write_text(arguments.out, text)
        print(arguments.out)
    return 0
