"""Model cards: every figure of the card against the files it comes from, and the Hub's own reader."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import ModelCard
from tests.drawn_rows import ROOT, make_contract
from tests.world import EVALUATED_ON, TRAINED_ON, evaluated_row, invented, sample_params

from flairhub.catalog.hub import hub_archives
from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.cli.main import main
from flairhub.config.base import build
from flairhub.config.model import ModelParams
from flairhub.errors import ConfigurationError, DataError, IntegrityError, MissingFileError
from flairhub.lineage.keys import file_sha256
from flairhub.records.details import Details, Moments, SeedSpread
from flairhub.records.layout import row_files
from flairhub.records.receipt import Receipt
from flairhub.report.card.build import render_card, write_card
from flairhub.report.card.facts import read_facts
from flairhub.weights.contract import ModalityContract, WeightsContract

SAMPLE = {"D951-2019_AERIAL_RGBI": "a" * 64, "D952-2020_AERIAL_LABEL-COSIA": "b" * 64}
SIZES = {"AERIAL_RGBI": 64, "DEM_ELEV": 64, "SENTINEL2_TS": 10, "SENTINEL1-ASC_TS": 10}
BANDS = {"AERIAL_RGBI": ("NIR", "R", "G"), "DEM_ELEV": ("DSM", "HEIGHT")}


def contract_of(row: str, key: str, modalities: tuple[str, ...], tasks: dict[str, int]) -> WeightsContract:
    items = {}
    for name in modalities:
        known, bands = MODALITIES[name], BANDS.get(name, MODALITIES[name].bands)
        scaled = name == "SENTINEL1-ASC_TS"
        items[name] = ModalityContract(
            bands=bands,
            dtype=known.dtype,
            unit=known.unit,
            gsd_m=1.6,
            height=SIZES[name],
            width=SIZES[name],
            normalisation="scaling" if scaled else "custom",
            means=None if scaled else tuple(10.5 + n for n in range(len(bands))),
            stds=None if scaled else tuple(2.25 + n for n in range(len(bands))),
            scale=4.0 if scaled else None,
        )
    sums = {"data_sha256": "1" * 64, "code_sha256": "2" * 64}
    return make_contract(row, items, tasks, row_key=key, environment=TRAINED_ON, **sums)


def write_weights(path: Path, contract: WeightsContract, seed: int) -> None:
    import torch

    from flairhub.models.build import build_network
    from flairhub.weights.checkpoints import save_weights

    torch.manual_seed(seed)
    assert build(ModelParams, contract.model, "test").utae is not None
    save_weights(build_network(contract.network_spec(), load_weights=False), path, contract)


@pytest.fixture
def make_row(tmp_path, benchmark_params):
    """Files of an evaluated row with real weights: `make_row("LC-D", modalities, tasks, receipt fields...)`."""

    def make(
        row: str = "LC-D",
        modalities: tuple[str, ...] = ("AERIAL_RGBI", "SENTINEL2_TS"),
        tasks: dict[str, int] | None = None,
        *,
        seeds: tuple[int, ...] = (2025,),
        weights: str = "trained",
        **fields: Any,
    ) -> Path:
        wanted = tasks or {COSIA: 1}

        def write(path: Path, seed: int) -> None:
            write_weights(path, contract_of(row, f"{seed:064d}", modalities, wanted), seed)

        own = {"tasks": list(wanted), "modalities": list(modalities), "seeds": list(seeds), "weights": weights}
        params = sample_params(rows={row: {"tasks": list(wanted), "modalities": list(modalities)}})
        receipt = {
            "seeds": {seed: f"{seed:064d}" for seed in seeds},
            "archives": SAMPLE,
            "parameters": 1_234_567,
            "unknown_choices": {"train.global_batch_size": "unknown: not stated"},
        }
        evaluated_row(
            tmp_path,
            row,
            params=params,
            tables={seed: [invented(task, seed=seed, level=level) for task, level in wanted.items()] for seed in seeds},
            evaluation=benchmark_params.model_copy(update={"resamples": 50}),
            weights=write,
            recipe=own,
            **{**receipt, **fields},
        )
        return tmp_path

    return make


def hub_reader(folder: Path) -> Any:
    """The judge of the format; what it has read, it writes again to the letter."""
    card = ModelCard.load(folder / "README.md", ignore_metadata_errors=False)
    assert (folder / "README.md").read_text().startswith(f"---\n{card.data.to_yaml()}\n---\n")
    return card


def tables(text: str) -> dict[str, list[list[str]]]:
    """Header of every Markdown table -> its lines of cells; tables of the same header are joined."""
    found: dict[str, list[list[str]]] = {}
    for block in re.findall(r"^\|.+\|\n\|[-|]+\|\n(?:\|.+\|\n)+", text, flags=re.MULTILINE):
        header, _, *lines = block.splitlines()
        cells = [[c.strip() for c in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines]
        assert {len(line) for line in cells} == {header.count("|") - 1}
        found.setdefault(header.strip("| ").partition(" |")[0], []).extend(cells)
    return found


def snippet(text: str) -> str:
    (code,) = re.findall(r"^```python\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)
    return str(code)


def test_the_hub_reads_the_figures_of_the_details(make_row):
    root = make_row(tasks={COSIA: 1, LPIS: 2}, modalities=("SENTINEL2_TS",), row="BOTH")
    card = hub_reader(write_card("BOTH", root))
    details = Details.read(root / "reports/rows/BOTH/details.json")
    found = {
        (result.task_name, result.metric_type): (result.dataset_type, result.dataset_split, result.metric_value)
        for result in card.data.eval_results
    }
    assert len(found) == 4
    for task, title in ((COSIA, "Land cover (COSIA)"), (LPIS, "Crops (LPIS level 2)")):
        figures = details.tasks[task].published
        for metric, figure in (("accuracy", figures.oa), ("mean_iou", figures.miou)):
            assert found[title, metric] == ("flairhub-sample", "test", round(figure, 4))
    assert card.data.model_name == "flairhub-BOTH"
    assert (card.data.library_name, card.data.pipeline_tag) == ("flairhub", "image-segmentation")
    assert {"land-cover", "crop-mapping", "SENTINEL2_TS"} <= set(card.data.tags)
    assert {result.task_type for result in card.data.eval_results} == {"image-segmentation"}
    assert {(result.task_name, result.dataset_config) for result in card.data.eval_results} == {
        ("Land cover (COSIA)", COSIA), ("Crops (LPIS level 2)", LPIS)
    }  # fmt: skip


def undefined(details: Details) -> Details:
    """No mIoU, and no IoU of the first class."""
    task = details.tasks[COSIA]
    per_class = dataclasses.replace(task.published.per_class, iou=(None, *task.published.per_class.iou[1:]))
    figures = dataclasses.replace(task.published, miou=None, per_class=per_class)
    task = dataclasses.replace(task, protocols={**task.protocols, "published": figures})
    return dataclasses.replace(details, tasks={COSIA: task})


def test_a_metric_that_is_not_defined_is_left_out(make_row):
    root = make_row(modalities=("SENTINEL2_TS",), change=undefined)
    folder = write_card("LC-D", root)
    assert [result.metric_type for result in hub_reader(folder).data.eval_results] == ["accuracy"]
    shown = tables((folder / "README.md").read_text())
    assert next(line for line in shown["figure"] if "mIoU" in line[0])[:2] == ["mean IoU (mIoU)", "undefined"]
    assert shown["value"][0][3] == "undefined"


@pytest.mark.parametrize("task", [{COSIA: 1}, {LPIS: 3}])
def test_the_tables_say_what_the_files_say(task, make_row):
    root = make_row(modalities=("DEM_ELEV", "SENTINEL1-ASC_TS"), tasks=task)
    text = (write_card("LC-D", root) / "README.md").read_text(encoding="utf-8")
    shown = tables(text)
    ((name, level),) = task.items()
    figures = Details.read(root / "reports/rows/LC-D/details.json").tasks[name]
    published, kinds = figures.published, taxonomy(name, level)
    assert [line[:2] for line in shown["figure"]][:2] == [
        ["overall accuracy (O.A.)", f"{published.oa:.2f}"],
        ["mean IoU (mIoU)", f"{published.miou:.2f}"],
    ]
    low, high = figures.intervals["roi"].miou
    assert shown["figure"][1][2] == f"{low:.2f} to {high:.2f}"
    assert [(line[0], line[1].replace("\\_", "_"), line[2]) for line in shown["value"]] == [
        (str(n), kinds.classes[n], f"`{kinds.colours[n]}`") for n in range(kinds.num_classes)
    ]
    for place, value in enumerate(kinds.scored):
        numbers = [f"{getattr(published.per_class, k)[place]:.2f}" for k in ("iou", "fscore", "precision", "recall")]
        assert shown["value"][value][3:] == numbers
    assert all(set(shown["value"][value][3:]) == {"not scored"} for value in kinds.unscored)
    assert ("outputs for them that mean nothing" in text) == bool(kinds.unscored)
    height, series = shown["modality"][:2]
    assert height == ["DEM_ELEV", "one date", "DSM, HEIGHT", "1.6", "64 x 64", "float32", "metre", height[7]]
    assert height[7] == "(value - mean) / std per band"
    assert series[:3] == ["SENTINEL1-ASC_TS", "time series", "VV, VH"]
    assert series[7] == "value / 4"
    assert ["DEM_ELEV", "HEIGHT", "11.5", "3.25"] in tables(text)["modality"][
        2:
    ] or "| DEM_ELEV | HEIGHT | 11.5 |" in text
    assert "`HEIGHT` is DSM - DTM" in text
    assert "Reference date 05-15" in text
    assert "cloud probability" not in text
    receipt = Receipt.read(root / "reports/rows/LC-D/receipt.json")
    said = dict(shown["what"])
    for label, field in (
        ("weights (sha256)", "weights_sha256"),
        ("evaluation key", "eval_key"),
        ("inputs (sha256)", "inputs_sha256"),
        ("code of the training (sha256)", "code_sha256"),
        ("confusion (sha256)", "confusion_sha256"),
        ("details (sha256)", "details_sha256"),
    ):
        assert said[label] == f"`{getattr(receipt, field)}`"
    assert said["training key"] == f"`{receipt.seeds[2025]}`"
    assert "- `train.global_batch_size`: unknown: not stated" in text
    assert "1,234,567 parameters" in text
    assert "seed 2025" in text


@pytest.mark.parametrize(
    ("modalities", "tasks"),
    [
        (("AERIAL_RGBI",), {COSIA: 1}),
        (("AERIAL_RGBI", "DEM_ELEV", "SENTINEL2_TS"), {COSIA: 1}),
        (("SENTINEL2_TS", "SENTINEL1-ASC_TS"), {COSIA: 1, LPIS: 3}),
    ],
)
def test_the_snippet_runs_beside_the_weights(modalities, tasks, make_row, monkeypatch):
    import torch

    root = make_row(modalities=modalities, tasks=tasks)
    folder = write_card("LC-D", root)
    monkeypatch.chdir(folder)
    space: dict[str, Any] = {}
    exec(compile(snippet((folder / "README.md").read_text()), "snippet", "exec"), space)
    maps = space["maps"]
    assert list(maps) == list(tasks)
    assert all(found.shape == (1, 24, 24) and found.dtype == torch.int64 for found in maps.values())
    from flairhub.models.tensors import read_tensors

    state, stored = space["network"].state_dict(), read_tensors(folder / "model.safetensors")
    assert state.keys() == stored.keys()
    assert all(torch.equal(state[name], stored[name]) for name in state)
    # Its scale is the one of the training: (value - mean) / std, value / scale.
    ones = torch.ones(1, 2, 3, 3)
    if "DEM_ELEV" in modalities:
        wanted = (1 - np.array([10.5, 11.5])) / np.array([2.25, 3.25])
        np.testing.assert_allclose(space["normalised"]("DEM_ELEV", ones)[0, :, 0, 0], wanted, rtol=1e-6)
    if "SENTINEL1-ASC_TS" in modalities:
        assert torch.equal(space["normalised"]("SENTINEL1-ASC_TS", ones), ones / 4)


def published(*names: str) -> dict[str, str]:
    return {name: hub_archives()[name] for name in names}


REAL = published("D012-2019_AERIAL_RGBI", "D068-2021_SENTINEL2_TS")


@pytest.mark.parametrize(
    ("fields", "licence", "dataset", "datasets"),
    [
        ({"archives": SAMPLE}, "apache-2.0", "flairhub-sample", None),
        ({"archives": REAL, "profile": "full"}, "etalab-2.0", "IGNF/FLAIR-HUB", ["IGNF/FLAIR-HUB"]),
        ({"archives": REAL, "profile": "mine"}, "etalab-2.0", "IGNF/FLAIR-HUB", ["IGNF/FLAIR-HUB"]),
        ({"archives": REAL | {"D012-2019_DEM_ELEV": "f" * 64}, "profile": "full"}, "other", "local-archives", None),
        ({"archives": {"D012-2019_DEM_ELEV": "f" * 64}, "profile": "toy"}, "etalab-2.0", "IGNF/FLAIR-HUB", True),
        ({"archives": {"D012-2019_DEM_ELEV": "f" * 64}, "profile": "local"}, "other", "local-archives", None),
        ({"archives": {"D012-2019_DEM_ELEV": "f" * 64}, "weights": "released"}, "etalab-2.0", "local-archives", None),
        ({"archives": REAL, "weights": "mine.safetensors"}, "other", "IGNF/FLAIR-HUB", ["IGNF/FLAIR-HUB"]),
        ({"archives": SAMPLE | REAL, "profile": "sample"}, "other", "local-archives", None),
    ],
)
def test_data_and_licence_follow_from_checksums(fields, licence, dataset, datasets, make_row):
    root = make_row(modalities=("SENTINEL2_TS",), **fields)
    folder = write_card("LC-D", root)
    data = hub_reader(folder).data
    assert data.license == licence
    assert (data.license_name is not None) == (data.license_link is not None) == (licence == "other")
    assert {result.dataset_type for result in data.eval_results} == {dataset}
    assert data.datasets == (["IGNF/FLAIR-HUB"] if datasets else None)
    text = (folder / "README.md").read_text()
    assert ("FLAIR-HUB, IGN, Licence Ouverte 2.0" in text) == (licence == "etalab-2.0")
    assert ("can stand beside the published benchmark" in text.replace("\n", " ")) == (fields["archives"] == REAL)
    if fields.get("weights"):
        assert f"given weights (`{fields['weights']}`)" in text


def test_the_weights_are_those_of_the_row(make_row):
    root = make_row(modalities=("SENTINEL2_TS",))
    source = root / "models/LC-D/model.safetensors"
    folder = write_card("LC-D", root)
    assert folder == root / "cards/LC-D"
    assert {path.name for path in folder.iterdir()} == {"README.md", "model.safetensors"}
    assert (folder / "model.safetensors").samefile(source)  # no second copy of the bytes
    first = (folder / "README.md").read_bytes()
    assert write_card("LC-D", root) == folder
    assert (folder / "README.md").read_bytes() == first
    assert write_card("LC-D", root, out=root / "elsewhere") == root / "elsewhere"
    assert (root / "elsewhere/README.md").read_bytes() == first


def test_a_copy_where_links_do_not_work(make_row, monkeypatch):
    def refuse(*_: Any) -> None:
        raise OSError("other device")

    root = make_row(modalities=("SENTINEL2_TS",))
    monkeypatch.setattr(os, "link", refuse)
    source, copied = root / "models/LC-D/model.safetensors", write_card("LC-D", root) / "model.safetensors"
    assert not copied.samefile(source)
    assert copied.read_bytes() == source.read_bytes()


def test_a_changed_file_is_refused_before_anything_is_written(make_row):
    root = make_row(modalities=("SENTINEL2_TS",))
    weights, details = root / "models/LC-D/model.safetensors", root / "reports/rows/LC-D/details.json"
    for path in (weights, details):
        content = path.read_bytes()
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
        with pytest.raises(IntegrityError, match=rf"{path.name}.* as the receipt of row LC-D says"):
            write_card("LC-D", root)
        path.write_bytes(content)
    path = root / "reports/rows/LC-D/receipt.json"
    good = Receipt.read(path)
    dataclasses.replace(good, seeds={2025: "f" * 64}).write(path)
    with pytest.raises(IntegrityError, match="contract of the training"):
        write_card("LC-D", root)
    assert not (root / "cards").exists()
    good.write(path)
    assert (write_card("LC-D", root) / "README.md").is_file()


def test_what_is_missing_is_named(make_row):
    root = make_row(modalities=("SENTINEL2_TS",))
    with pytest.raises(MissingFileError, match=r"LC-Q/receipt.json.*dvc repro evaluate"):
        write_card("LC-Q", root)
    (root / "models/LC-D/model.safetensors").unlink()
    with pytest.raises(MissingFileError, match="dvc repro train@LC-D"):
        write_card("LC-D", root)
    assert not (root / "cards").exists()


def test_a_further_seed_has_a_card_of_its_own(make_row):
    root = make_row(modalities=("SENTINEL2_TS",), seeds=(1, 2))
    first, second = write_card("LC-D", root), write_card("LC-D", root, seed=2)
    assert write_card("LC-D", root, seed=1) == first
    assert second == root / "cards/LC-D-seed-2"
    assert (second / "model.safetensors").samefile(root / "models/LC-D/seed-2/model.safetensors")
    card = hub_reader(second)
    details = Details.read(row_files("LC-D", root).of_seed(2).details)
    values = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert values["mean_iou"] == round(details.tasks[COSIA].published.miou, 4)
    assert card.data.model_name == "flairhub-LC-D-seed-2"
    assert f"`{file_sha256(second / 'model.safetensors')}`" in (second / "README.md").read_text()
    with pytest.raises(ConfigurationError, match="one of its seeds 1, 2, but got 3"):
        write_card("LC-D", root, seed=3)
    shutil.copy(root / "models/LC-D/model.safetensors", root / "models/LC-D/seed-2/model.safetensors")
    with pytest.raises(IntegrityError, match=r"seed-2/model.safetensors: expected sha256"):
        write_card("LC-D", root, seed=2)
    path = root / "reports/rows/LC-D/receipt.json"
    dataclasses.replace(Receipt.read(path), further_seeds={}).write(path)
    with pytest.raises(DataError, match="no checksums of seed 2"):
        write_card("LC-D", root, seed=2)


def test_the_spread_over_seeds_is_told(make_row):
    facts = read_facts("LC-D", make_row(modalities=("SENTINEL2_TS",)))
    spread = SeedSpread(n=3, oa=Moments(mean=61.234, std=0.51), miou=Moments(mean=None, std=None))
    told = dataclasses.replace(facts, details=dataclasses.replace(facts.details, spread={COSIA: spread}))
    assert "Over 3 seeds: O.A. 61.23 +- 0.51, mIoU undefined +- undefined" in render_card(told)
    assert "Over " not in render_card(facts)


def test_with_links_into_the_cache_the_card_still_has_a_file(make_row, tmp_path):
    root = make_row()
    weights = root / "models/LC-D/model.safetensors"
    cached = tmp_path / "cached"
    weights.rename(cached)
    weights.symlink_to(cached)
    placed = write_card("LC-D", root) / "model.safetensors"
    assert not placed.is_symlink()
    assert placed.read_bytes() == cached.read_bytes()


def test_no_path_of_the_machine_is_in_a_card(make_row):
    model = {"mono": {"encoder_weights": "/home/somebody/encoder.pth"}}
    root = make_row(modalities=("SENTINEL2_TS",))
    path = root / "reports/rows/LC-D/receipt.json"
    good = Receipt.read(path)
    dataclasses.replace(good, recipe={**good.recipe, "model": model}).write(path)
    text = (write_card("LC-D", root) / "README.md").read_text()
    assert "/home" not in text
    assert str(root) not in text


def test_the_card_names_what_trained_beside_what_evaluated(make_row):
    elsewhere = dataclasses.replace(EVALUATED_ON, libraries={"torch": "9.9.9"})
    text = (write_card("LC-D", make_row(environment=elsewhere)) / "README.md").read_text()
    said = dict(line[:2] for line in tables(text)["what"])
    assert (said["trained with"], said["evaluated with"]) == ("torch 2.14.1", "torch 9.9.9")
    assert said["trained on"] == "1 x cpu, x86_64, 1 threads, Python 3.11.7"


def test_the_command(make_row, monkeypatch, capsys):
    root = make_row(modalities=("SENTINEL2_TS",))
    monkeypatch.chdir(root)
    assert main(["card", "LC-D"]) == 0
    assert capsys.readouterr().out.startswith("cards/LC-D: README.md and model.safetensors")
    assert main(["card", "LC-D", "--seed", "7"]) == 1
    assert "one of its seeds 2025, but got 7" in capsys.readouterr().err
    shutil.rmtree(root / "models")
    assert main(["card", "LC-D", "-o", "x"]) == 1
    assert not (root / "x").exists()


def test_cards_are_no_part_of_git():
    assert "/cards/" in (ROOT / ".gitignore").read_text().splitlines()
