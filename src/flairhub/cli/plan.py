"""`flairhub plan`: which archives a choice needs, what they weigh, and how long they take."""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from flairhub.config.params import Params
    from flairhub.sources.plan import Plan

PARAMS, PROFILES = Path("params.yaml"), Path("profiles")


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = commands.add_parser(
        "plan",
        help="archives, sizes and hours of a choice, before anything is fetched",
        description="List the archives of the published data set that rows need. Names and checksums are known "
        "offline; sizes come from the Hub where it can be reached.",
    )
    for name, what in (
        ("rows", "rows, e.g. LPIS-F,LC-G"),
        ("domains", "domains or domain-years, e.g. D012,D068-2021"),
        ("years", "years of the aerial campaigns"),
        ("modalities", "layers beside those of the rows"),
    ):
        parser.add_argument(f"--{name}", default="", metavar="LIST", help=f"{what}, separated by commas")
    parser.add_argument("--split", help="only domains of train, valid or test of the published split")
    parser.add_argument("--bandwidth", type=float, default=100.0, metavar="MBIT_S", help="default: 100 Mbit/s")
    parser.add_argument("--rate", type=float, metavar="PATCHES_S", help="training speed, for the GPU hours of each row")
    parser.add_argument("--offline", action="store_true", help="do not ask the Hub for sizes")
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    """Print the plan."""
    from flairhub.archives.locate import local_folder
    from flairhub.config.profiles import profile_text
    from flairhub.config.reader import parse_params, read_params
    from flairhub.config.runtime import read_settings
    from flairhub.config.workspace import find_workspace
    from flairhub.config.yaml_file import parse_yaml
    from flairhub.sources.plan import Wish
    from flairhub.sources.plan import plan as planned

    workspace = find_workspace()
    settings, params = read_settings(workspace), read_params(PARAMS)
    full = parse_params(parse_yaml(profile_text(PROFILES, "full"), "full.yaml"), "full.yaml")
    lists = {name: _listed(getattr(arguments, name)) for name in ("rows", "domains", "years", "modalities")}
    wish = Wish(**lists, split=arguments.split)
    local = params.data.source == "local" and settings.data is not None
    store = local_folder(settings) if local else workspace.archives / "huggingface"
    plan = planned(wish, params, {} if arguments.offline else _sizes(full), store)
    if arguments.json:
        print(json.dumps(_plain(plan), allow_nan=False))
        return 0
    store.mkdir(parents=True, exist_ok=True)
    print(_table(plan))
    print(f"\n{_sum(plan)}; free on this disk: {shutil.disk_usage(store).free / 1e9:.1f} GB.")
    hours = plan.missing_bytes * 8 / (arguments.bandwidth * 1e6) / 3600
    more = "at least " if any(archive.bytes is None for archive in plan.missing) else ""
    print(f"To fetch: {more}{plan.missing_bytes / 1e9:.2f} GB, {hours:.1f} h at {arguments.bandwidth:g} Mbit/s.")
    _print_training(wish.rows, plan, params, full, arguments.rate)
    return 0


def _print_training(rows: tuple[str, ...], plan: Plan, params: Params, full: Params, rate: float | None) -> None:
    from flairhub.config.resolve import row_recipe
    from flairhub.sources.plan import training_hours

    if rate is None:
        print("GPU hours of the training: give the speed of your GPU with --rate PATCHES_S.")
        return
    for row in rows:
        epochs = row_recipe(full if row in full.rows else params, row).train.epochs
        hours = training_hours(epochs, plan.archives, rate)
        print(f"{row}: about {hours:.0f} GPU hours for {epochs} epochs at {rate:g} patches/s.")


def _listed(text: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _sizes(full: Params) -> Mapping[str, int]:
    """Sizes from the Hub; none where it cannot be reached, for a plan works offline."""
    from flairhub.sources.download import DownloadError
    from flairhub.sources.hub import stated_archives

    try:
        archives = stated_archives(full.data.huggingface)
        return {name: stated.bytes for name, stated in archives.items() if stated.bytes is not None}
    except DownloadError:
        return {}


def _plain(plan: Plan) -> dict[str, Any]:
    return {
        "archives": [{"name": each.name, "bytes": each.bytes, "here": each.here} for each in plan.archives],
        "total_bytes": plan.total_bytes,
        "missing_bytes": plan.missing_bytes,
        "unknown_sizes": plan.unknown,
    }


def _table(plan: Plan) -> str:
    from tabulate import tabulate

    lines = [
        (each.name, "unknown" if each.bytes is None else f"{each.bytes / 1e6:.1f}", "yes" if each.here else "")
        for each in plan.archives
    ]
    return str(tabulate(lines, headers=("archive", "MB", "here"), colalign=("left", "right", "left")))


def _sum(plan: Plan) -> str:
    unknown = f" and {plan.unknown} of unknown size (the Hub was not reached)" if plan.unknown else ""
    here = len(plan.archives) - len(plan.missing)
    return f"{len(plan.archives)} archives, {plan.total_bytes / 1e9:.2f} GB{unknown}, {here} of them here"
