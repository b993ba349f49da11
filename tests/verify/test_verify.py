"""Verification of a small evaluated row: nothing is found in it, and every change to it is, by name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from tests.world import HISTORY, SETTINGS, small_row

from flairhub.config.params import Params
from flairhub.config.workspace import Workspace
from flairhub.errors import ConfigurationError
from flairhub.evaluation.confusion_file import read_confusion
from flairhub.files import read_json, write_json
from flairhub.lineage.keys import file_sha256
from flairhub.records.details import Details, Moments
from flairhub.records.layout import RowFiles, row_files
from flairhub.records.manifest import Manifest, write_manifest
from flairhub.records.plan import evaluation_plan
from flairhub.records.receipt import Receipt
from flairhub.report.build import write_report
from flairhub.rows import evaluate
from flairhub.rows.evaluate import evaluate_row
from flairhub.training.summary import write_summary
from flairhub.verify.findings import Finding
from flairhub.verify.options import VerifyOptions
from flairhub.verify.verify import verify

torch.set_num_threads(1)

COSIA = "AERIAL_LABEL-COSIA"


@dataclass(frozen=True)
class Place:
    """A repository with one evaluated row, X."""

    root: Path
    params: Params

    @property
    def files(self) -> RowFiles:
        return row_files("X", self.root)

    @property
    def archives(self) -> Path:
        return self.root / "data" / "archives" / "sample" / "k1"

    def verify(self, level: int = 1, **options: Any) -> list[Finding]:
        workspace = Workspace(self.root, self.root)
        return list(verify(self.params, workspace, SETTINGS, VerifyOptions(level=level, **options)))

    def failures(self, level: int = 1, **options: Any) -> dict[str, str]:
        """Failed check -> all it says."""
        findings = self.verify(level, **options)
        return {f.check: " ".join([f.detail, *map(str, f.mismatches)]) for f in findings if f.status == "failed"}

    def evaluate(self) -> None:
        """As the graph does: evaluation and table."""
        evaluate_row(evaluation_plan(self.params, "X"), self.files, self.archives, SETTINGS)
        write_report(self.params, self.root / "reports", self.root)

    def evaluate_as(self, confusion: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        """What a forger does: every file is made to agree with a confusion that the weights do not give."""
        honest = evaluate.score_passes
        with monkeypatch.context() as patch:
            patch.setattr(evaluate, "score_passes", lambda *args: honest(*args) | {evaluate.ROW: confusion})
            self.evaluate()


def make(root: Path, **overrides: Any) -> Place:
    row = small_row(root, ("AERIAL_RGBI", "DEM_ELEV"), evaluate={"resamples": 20, "min_clusters": 2}, **overrides)
    place = Place(root, row.params.model_copy(update={"rows": {"X": row.params.rows["X"]}}))
    place.archives.parent.mkdir(parents=True)
    row.archives.rename(place.archives)
    write_manifest(root / "data" / "manifest.json", Manifest(source={"kind": "sample", "key": "k1"}, archives=()))
    HISTORY.write(place.files.history)
    write_summary(place.files.model, place.files.training)
    place.evaluate()
    return place


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(tmp_path_factory.mktemp("verify") / "repository")


@pytest.fixture(scope="module")
def original_seeds(tmp_path_factory: pytest.TempPathFactory) -> Place:
    return make(tmp_path_factory.mktemp("seeds") / "repository", row={"seeds": [3, 4]})


@pytest.fixture
def place(original: Place, tmp_path: Path) -> Place:
    return Place(shutil.copytree(original.root, tmp_path / "copy"), original.params)


@pytest.fixture
def seeds(original_seeds: Place, tmp_path: Path) -> Place:
    return Place(shutil.copytree(original_seeds.root, tmp_path / "copy"), original_seeds.params)


def change_json(path: Path, change: Callable[[Any], None]) -> None:
    value = read_json(path)
    change(value)
    write_json(path, value, indent=None if path.parent.name == "inputs" else 1)


def test_nothing_is_found_where_nothing_was_changed(place: Place) -> None:
    findings = place.verify(2, rois=0)
    assert "failed" not in {finding.status for finding in findings}
    status = {(finding.level, finding.check): finding.status for finding in findings}
    not_run = {key for key, value in status.items() if value == "not run"}
    assert not_run == {(0, "dvc.lock")}
    assert {key for key, value in status.items() if value == "does not apply"} == {
        (0, "seeds"),
        (0, "predictions"),
        (1, "seeds"),
    }
    assert status[2, "inference"] == status[2, "robustness"] == status[1, "figures"] == status[1, "table"] == "passed"


def test_nothing_is_written(place: Place) -> None:
    def content() -> dict[str, bytes]:
        return {p.as_posix(): p.read_bytes() for p in place.root.rglob("*") if p.is_file()}

    before = content()
    place.verify(2)
    assert content() == before


def test_levels_hold_those_below(place: Place) -> None:
    assert {finding.level for finding in place.verify(0)} == {0}
    assert {finding.level for finding in place.verify(1)} == {0, 1}
    assert {finding.level for finding in place.verify(2, rois=1)} == {0, 1, 2}


@pytest.mark.parametrize(
    ("column", "value"),
    [("oa", "99.9"), ("miou", ""), ("miou_high", "77.0"), ("n_test", "5"), ("params_m", "1.0"), ("seeds", "7")]
    + [(name, "0" * 64) for name in ("inputs_sha256", "weights_sha256", "eval_key", "row_key", "confusion_sha256")],
)
def test_a_changed_cell_of_the_table_is_named(place: Place, column: str, value: str) -> None:
    path = place.root / "reports" / "benchmark.csv"
    header, line = path.read_text().splitlines()
    cells = line.split(",")
    cells[header.split(",").index(column)] = value
    path.write_text(f"{header}\n{','.join(cells)}\n")
    found = place.failures(0)
    assert list(found) == ["table"]
    assert f"reports/benchmark.csv, line X {COSIA}: {column}: expected" in found["table"]
    assert repr(value) in found["table"]


def test_a_line_too_many_or_another_row_is_named(place: Place) -> None:
    path = place.root / "reports" / "benchmark.csv"
    header, line = path.read_text().splitlines()
    path.write_text(f"{header}\n{line}\n{line}\n")
    assert "expected a line of row X for each" in place.failures(0)["table"]
    path.write_text(f"{header}\n{line}\nY{line[1:]}\n")
    assert "expected X, found X, Y" in place.failures(0)["rows"]


def test_a_changed_rendering_is_named(place: Place) -> None:
    path = place.root / "reports" / "benchmark.md"
    text = path.read_text()
    figure = f"{Details.read(place.files.details).tasks[COSIA].published.oa:.1f}"
    assert figure in text
    path.write_text(text.replace(figure, "98.7", 1))
    assert place.failures(0) == {}
    found = place.failures(1)
    assert list(found) == ["table"]
    assert "reports/benchmark.md: line" in found["table"]


def test_a_changed_metric_is_named(place: Place) -> None:
    change_json(place.files.metrics, lambda value: value["test"].update(oa=99.0))
    found = place.failures()
    assert list(found) == ["metrics"]
    assert "reports/rows/X/metrics.json: test.oa: expected" in found["metrics"]
    assert "found 99.0" in found["metrics"]


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("protocols", "published", "oa"), 99.0),
        (("protocols", "errors_into_ignored", "per_class", "recall", 3), 1.0),
        (("by_domain", "D002-2021", "n_patches"), 5),
        (("by_land_type", "N", "miou"), None),
        (("intervals", "roi", "miou"), [1.0, 2.0]),
        (("intervals", "roi", "iou", 0, 1), 2.0),
        (("confusion", 2, 1), 1_000_000),
        (("scored",), [*range(14), 15]),
    ],
)
def test_a_changed_figure_is_named_even_if_every_later_file_agrees(
    place: Place, keys: tuple[Any, ...], value: Any
) -> None:
    def change(content: Any) -> None:
        node = content["tasks"][COSIA]
        for key in keys[:-1]:
            node = node[key]
        assert node[keys[-1]] != value
        node[keys[-1]] = value

    change_json(place.files.details, change)
    assert "reports/rows/X/details.json: sha256" in place.failures()["details"]
    sha256 = file_sha256(place.files.details)
    change_json(place.files.receipt, lambda receipt: receipt.update(details_sha256=sha256))
    found = place.failures()
    assert "details" not in found
    cell = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    assert f"reports/rows/X/details.json: tasks.{COSIA}{cell}" in found["figures"]


def forge_confusion(place: Place) -> str:
    """Move pixels of one patch into another cell, and make all figures agree; returns the patch."""
    table = pq.read_table(place.files.confusion)
    columns = table.to_pydict()
    patches = columns["patch_id"]
    first = next(i for i in range(len(patches) - 1) if patches[i] == patches[i + 1] and columns["count"][i] > 1)
    columns["count"][first] -= 1
    columns["count"][first + 1] += 1
    pq.write_table(pa.table(columns, schema=table.schema), place.files.confusion, compression="zstd")
    return str(patches[first])


def test_a_changed_confusion_is_named(place: Place) -> None:
    forge_confusion(place)
    found = place.failures()
    assert "reports/rows/X/confusion.parquet: sha256" in found["confusion"]
    assert "reports/rows/X/details.json: tasks" in found["figures"]


def test_a_forged_confusion_with_all_its_figures_is_found_by_inference(place: Place, monkeypatch: Any) -> None:
    """Levels 0 and 1 cannot see it: every file is what an evaluation would write for this confusion."""
    patch = forge_confusion(place)
    place.evaluate_as(read_confusion(place.files.confusion), monkeypatch)
    assert place.failures(1) == {}
    found = place.failures(2, rois=0)
    assert f"reports/rows/X/confusion.parquet: {COSIA} {patch}: expected" in found["inference"]


def flip(path: Path, *, size: float = 1.0) -> None:
    """Change one float of a weights file, header and length kept."""
    content = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(content[:8], "little")
    with safe_open(path, "np") as handle:
        name = next(n for n in handle.keys() if n.startswith("main_decoders") and n.endswith("head.0.bias"))  # noqa: SIM118 - no dict: it has keys() alone
    offsets = json.loads(content[8:start])[name]["data_offsets"]
    place = start + offsets[0]
    value = np.frombuffer(content[place : place + 4], np.float32)[0]
    content[place : place + 4] = np.float32(value + size).tobytes()
    path.write_bytes(content)


def test_one_changed_weight_is_named(place: Place) -> None:
    before = place.files.weights.stat().st_size
    flip(place.files.weights, size=1e-6)
    assert place.files.weights.stat().st_size == before
    found = place.failures()
    assert list(found) == ["weights"]
    assert "models/X/model.safetensors: sha256: expected" in found["weights"]


def test_other_weights_under_a_forged_receipt_are_found_by_inference(place: Place, monkeypatch: Any) -> None:
    old = read_confusion(place.files.confusion)
    flip(place.files.weights, size=100.0)
    place.evaluate_as(old, monkeypatch)
    assert place.failures(1) == {}
    assert "of the pixels in other cells" in place.failures(2)["inference"]


@pytest.mark.parametrize(
    ("field", "check"),
    [
        ("inputs_sha256", "inputs"),
        ("code_sha256", "code"),
        ("evaluate_code_sha256", "code"),
        ("weights_sha256", "weights"),
        ("confusion_sha256", "confusion"),
        ("details_sha256", "details"),
        ("robustness_sha256", "robustness"),
        ("row_key", "receipt"),
        ("eval_key", "receipt"),
        ("statistics_sha256", "receipt"),
    ],
)
def test_a_changed_hash_of_the_receipt_is_named(place: Place, field: str, check: str) -> None:
    change_json(place.files.receipt, lambda receipt: receipt.update({field: "0" * 64}))
    found = place.failures(0)
    assert check in found
    assert "0" * 64 in found[check]


@pytest.mark.parametrize(
    "change",
    [
        lambda _: {"row": "Y"},
        lambda receipt: {"split_sha256": {**receipt.split_sha256, "test": "0" * 64}},
        lambda receipt: {"patches": {**receipt.patches, "test": 1}},
        lambda receipt: {"recipe": {**receipt.recipe, "train": {**receipt.recipe["train"], "epochs": 99}}},
        lambda receipt: {"evaluation": {**receipt.evaluation, "resamples": 0}},
        lambda receipt: {"archives": {**receipt.archives, "A": "0"}},
    ],
)
def test_a_changed_fact_of_the_receipt_is_named(place: Place, change: Callable[[Receipt], dict[str, Any]]) -> None:
    receipt = Receipt.read(place.files.receipt)
    replace(receipt, **change(receipt)).write(place.files.receipt)
    assert "reports/rows/X/receipt.json: " in place.failures(0)["receipt"]


def test_another_environment_than_that_of_the_weights_is_named(place: Place) -> None:
    receipt = Receipt.read(place.files.receipt)
    other = replace(receipt.training_environment, libraries={"torch": "9.9.9"})
    replace(receipt, training_environment=other).write(place.files.receipt)
    assert "training_environment.libraries.torch" in place.failures(0)["weights"]


def test_changed_inputs_are_named(place: Place) -> None:
    def change(inputs: Any) -> None:
        inputs["statistics"]["AERIAL_RGBI"]["NIR"]["mean"] += 1

    change_json(place.files.inputs, change)
    found = place.failures(0)
    assert "data/inputs/X.json: sha256" in found["inputs"]
    assert "statistics_sha256" in found["receipt"]
    assert "row_key" in found["receipt"]


def test_changed_tables_of_plots_are_named(place: Place) -> None:
    for name in ("reports/rows/X/per_class.csv", "reports/training/X/loss.csv"):
        path = place.root / name
        text = path.read_text()
        path.write_text(text.replace("\n", "\nforged,1\n", 1))
        found = place.failures(0)
        assert f"{name}: line 2" in found["curves"]
        path.write_text(text)


def test_dvc_lock_names_what_git_knows(place: Place) -> None:
    import yaml
    from dvc_data.hashfile.hash import file_md5
    from dvc_objects.fs.local import LocalFileSystem

    def md5(path: Path) -> str:
        return str(file_md5(str(path), LocalFileSystem()))

    details = place.files.details
    outs = [{"path": details.relative_to(place.root).as_posix(), "md5": md5(details)}]
    (place.root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"evaluate@X": {"outs": outs}}}))
    assert place.failures(0) == {}
    outs[0]["md5"] = "0" * 32
    (place.root / "dvc.lock").write_text(yaml.safe_dump({"stages": {"evaluate@X": {"outs": outs}}}))
    assert "reports/rows/X/details.json: md5" in place.failures(0)["dvc.lock"]
    (place.root / "dvc.lock").write_text("<<<<<<< HEAD\n\t- : [")
    assert "dvc.lock: expected YAML" in place.failures(0)["dvc.lock"]


NAMES = {
    "receipt": "reports/rows/X/receipt.json",
    "details": "reports/rows/X/details.json",
    "metrics": "reports/rows/X/metrics.json",
    "inputs": "data/inputs/X.json",
    "confusion": "reports/rows/X/confusion.parquet",
    "robustness": "reports/rows/X/robustness.json",
    "table": "reports/benchmark.csv",
    "train code": "data/code/train.json",
}


@pytest.mark.parametrize("name", NAMES.values())
def test_a_missing_file_is_a_named_failure(place: Place, name: str) -> None:
    (place.root / name).unlink()
    assert any(name in text for text in place.failures(2, rois=1).values())


BROKEN: dict[str, bytes | Callable[[bytes], bytes]] = {
    "empty": b"",
    "truncated": lambda content: content[: len(content) // 2],
    "no magic": b"\x00\xff" * 50,
    "NaN": b'{"tasks": NaN}',
    "infinity": b'{"tasks": 1e999}',
    "a list": b"[1, 2]",
    "another object": b'{"tasks": [], "recipe": 3, "test": null}',
    "deep": b"[" * 100_000,
    "bytes changed": lambda content: content[:-40] + b"\xf0" * 20 + content[-20:],
}


OFTEN = ("empty", "truncated", "NaN", "another object")


@pytest.mark.parametrize("how", [pytest.param(h, marks=() if h in OFTEN else pytest.mark.slow) for h in BROKEN])
@pytest.mark.parametrize("name", [*NAMES.values(), "models/X/model.safetensors", "data/manifest.json"])
def test_a_damaged_file_is_a_named_failure_and_no_traceback(place: Place, name: str, how: str) -> None:
    path = place.root / name
    change = BROKEN[how]
    path.write_bytes(change if isinstance(change, bytes) else change(path.read_bytes()))
    found = place.failures(2 if name.startswith(("models", "data")) else 1, rois=1)
    assert found
    assert any(name in text or Path(name).name in text for text in found.values()), found


def test_figures_that_need_an_unreadable_file_are_not_run_and_say_so(place: Place) -> None:
    place.files.receipt.write_text("{")
    findings = place.verify(2)
    blocked = [finding for finding in findings if finding.status == "not run" and "receipt" in finding.detail]
    assert {"inputs", "figures", "inference"} <= {finding.check for finding in blocked}
    assert [finding.check for finding in findings if finding.status == "failed"] == ["receipt"]


def test_absent_weights_are_not_run_and_say_how_to_get_them(place: Place) -> None:
    place.files.weights.unlink()
    findings = place.verify(2)
    assert "failed" not in {finding.status for finding in findings}
    for finding in findings:
        if (finding.level, finding.check) in {(0, "weights"), (2, "inference")}:
            assert finding.status == "not run"
            assert "`dvc pull models/X`" in finding.detail


def test_absent_archives_are_not_run_and_say_how_to_get_them(place: Place) -> None:
    change_json(place.root / "data/manifest.json", lambda manifest: manifest["source"].update(key="k2"))
    change_json(place.files.inputs, lambda inputs: inputs.update(archives={"D002-2021_AERIAL_RGBI": "0"}))
    (finding,) = [finding for finding in place.verify(2) if finding.check == "inference"]
    assert finding.status == "not run"
    assert "flairhub pull" in finding.detail


def test_further_seeds_are_verified_as_well(seeds: Place) -> None:
    findings = seeds.verify(2)
    assert "failed" not in {finding.status for finding in findings}
    passed = {(finding.level, finding.check) for finding in findings if finding.status == "passed"}
    assert {(0, "seeds"), (1, "seeds"), (2, "inference seed 3"), (2, "inference seed 4")} <= passed


@pytest.mark.parametrize(
    ("name", "check"),
    [
        ("models/X/seed-4/model.safetensors", "seeds"),
        ("reports/rows/X/seeds/4/confusion.parquet", "seeds"),
        ("reports/rows/X/seeds/4/details.json", "seeds"),
        ("reports/rows/X/seeds/4/metrics.json", "seeds"),
    ],
)
def test_a_change_to_a_further_seed_is_named(seeds: Place, name: str, check: str) -> None:
    path = seeds.root / name
    if path.suffix == ".safetensors":
        flip(path)
    elif path.suffix == ".parquet":
        path.write_bytes(path.read_bytes()[:-1] + b"x")
    elif path.stem == "metrics":
        change_json(path, lambda metrics: metrics["test"].update(oa=99.0))
    else:
        change_json(path, lambda details: details.update(n_scored=99))
    assert name in seeds.failures(1)[check]


def test_a_changed_spread_is_named(seeds: Place) -> None:
    details = Details.read(seeds.files.details)
    spread = replace(details.spread[COSIA], oa=Moments(mean=details.spread[COSIA].oa.mean, std=0.0))
    replace(details, spread={COSIA: spread}).write(seeds.files.details)
    assert f"spread.{COSIA}.oa.std" in seeds.failures(1)["figures"]


def test_other_code_than_the_receipt_s_is_not_trained_with(place: Place) -> None:
    shutil.copytree(Path(__file__).parents[2] / "stages", place.root / "stages")
    (finding,) = [finding for finding in place.verify(3, rois=1) if finding.level == 3]
    assert finding.status == "not run"
    assert "the code here is not that of the receipt" in finding.detail


def test_given_weights_need_no_training(place: Place) -> None:
    def change(inputs: Any) -> None:
        inputs["recipe"]["weights"] = "released"
        inputs |= {"weights_file": "a.safetensors", "weights_sha256": "0" * 64}

    change_json(place.files.inputs, change)
    (finding,) = [finding for finding in place.verify(3, rois=1) if finding.level == 3]
    assert finding.status == "does not apply"
    assert "given its weights" in finding.detail


def test_a_row_that_does_not_exist_is_refused_with_the_nearest(place: Place) -> None:
    with pytest.raises(ConfigurationError, match="has no row 'x'; did you mean 'X'"):
        list(verify(place.params, Workspace(place.root, place.root), SETTINGS, VerifyOptions(), ["x"]))


@pytest.mark.parametrize("options", [{"level": 4}, {"rois": -1}, {"agreement": 1.5}, {"tolerance": -1}, {"seed": -1}])
def test_options_out_of_range_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError, match=f"--{next(iter(options))}"):
        VerifyOptions(**options)


def test_records_and_figures_need_no_torch(place: Place) -> None:
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from flairhub.verify.verify import verify\n"
        "assert not {'torch', 'rasterio', 'matplotlib'} & sys.modules.keys()\n"
    )
    source = Path(__file__).parents[2] / "src"
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(source)})


def test_a_painted_map_is_found_by_inference(place: Place) -> None:
    import rasterio

    path = next((place.files.examples / COSIA).glob("*.tif"))
    with rasterio.open(path, "r+") as raster:
        classes = raster.read(1)
        classes[:3, 0] = (classes[:3, 0] + 1) % 15
        raster.write(classes, 1)
    assert place.failures(1) == {}
    found = place.failures(2, rois=0)
    assert list(found) == ["inference"]
    assert (
        f"reports/rows/X/examples/{COSIA}/{path.name}: expected the map of inference, found 3 other pixels"
        in (found["inference"])
    )
    path.unlink()
    assert path.name in place.failures(2, rois=0)["inference"]


def test_weights_that_load_but_do_not_fit_are_a_named_failure(place: Place) -> None:
    path = place.files.weights
    with safe_open(path, "pt") as handle:
        metadata = handle.metadata()
    tensors = load_file(path)
    tensors.pop(next(iter(tensors)))
    save_file(tensors, path, metadata)
    found = place.failures(2)
    assert "model.safetensors: expected weights that fit the network exactly" in found["inference"]
