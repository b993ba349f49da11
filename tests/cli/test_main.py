"""The command line as a user meets it: quick help, errors in one line, and a params.yaml that is never half written."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from flairhub.cli.main import COMMANDS, build_parser, main
from flairhub.cli.processes import DvcRuns

ROOT = Path(__file__).parents[2]
HEAVY = {"torch", "lightning", "timm", "mlflow", "pandas", "pyarrow", "great_expectations", "matplotlib", "rasterio"}
NAMES = [command.__name__.rpartition(".")[2].rstrip("_") for command in COMMANDS]


def python(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "FLAIRHUB_", "MLFLOW_"))}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=cwd,
        env=inherited | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A folder with profiles and the default params.yaml, in which commands run."""
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    shutil.copy(ROOT / "profiles/sample.yaml", tmp_path / "params.yaml")
    monkeypatch.chdir(tmp_path)
    for name in os.environ:
        if name.startswith(("DVC_", "FLAIRHUB_")):
            monkeypatch.delenv(name)
    return tmp_path


def test_help_imports_nothing_heavy(tmp_path):
    script = (
        "import sys\n"
        "from flairhub.cli.main import main\n"
        "try:\n    main(['--help'])\n"
        "except SystemExit as end:\n    assert end.code == 0\n"
        "print(*sorted(name for name in sys.modules if '.' not in name), file=sys.stderr)\n"
    )
    done = python("-c", script, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert set(NAMES) <= set(done.stdout.split())
    assert set(done.stderr.split()) & HEAVY == set()


def test_help_answers_at_once(tmp_path):
    """By the processor's time: the machine may be busy."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert python("-m", "flairhub.cli.main", "--help", cwd=tmp_path).returncode == 0
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime < 1


@pytest.mark.parametrize("name", NAMES)
def test_every_command_explains_itself(name, capsys):
    with pytest.raises(SystemExit) as end:
        main([name, "--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert text.startswith(f"usage: flairhub {name}")
    assert len(text.splitlines()) > 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        *(
            (["ui", f"--port={port}"], f"expected a port, 1 to 65535, but got '{port}'")
            for port in ("99999", "0", "-1", "http")
        ),
        *((["repro", f"--jobs={jobs}"], f"1 or more, but got '{jobs}'") for jobs in ("0", "-1", "two")),
        (["tabel"], "tabel"),
    ],
)
def test_wrong_usage_is_said_with_status_2(words, message, capsys):
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("words", [["table"], ["rows"], ["use", "sample", "--set", "train.seed=3"]])
def test_a_misspelt_variable_is_named_by_every_command_before_anything_is_done(words, repository, monkeypatch, capsys):
    monkeypatch.setenv("FLAIRHUB_WORKER", "3")
    before = (repository / "params.yaml").read_bytes()
    assert main(words) == 1
    error = capsys.readouterr().err
    assert error == "flairhub: Unknown variable FLAIRHUB_WORKER in the environment; did you mean 'FLAIRHUB_WORKERS'?\n"
    assert (repository / "params.yaml").read_bytes() == before


@pytest.mark.parametrize("command", ["adopt", "card", "params", "verify"])
def test_a_row_that_there_is_not_is_named_with_the_nearest(command, repository, capsys):
    assert main([command, "LC-AL"]) == 1
    error = capsys.readouterr().err
    assert error == "flairhub: params.yaml has no row 'LC-AL'; did you mean 'LC-ALL'?\n"


def test_pull_pulls_also_where_dvc_sees_no_change(repository, monkeypatch):
    asked = []
    monkeypatch.setattr(DvcRuns, "__call__", lambda _, *words: asked.append(words) or 0)
    assert main(["pull"]) == 0
    assert asked == [("repro", "--force", "pull")]


def test_every_command_sets_what_it_runs():
    needed = {
        "import": ["--config", "c", "--row", "r"],
        "export": ["--row", "r"],
        "use": ["sample"],
        "legend": ["cosia", "--format", "qml"],
        "card": ["LC-A"],
        "data": ["diff", "HEAD"],
        "adopt": ["LC-A"],
        "sweep": ["LC-A"],
        "score": ["LC-A"],
        "profile": ["LC-A"],
        "zonal": ["LC-A", "--input", "AERIAL_RGBI=a.tif", "--output", "map"],
    }
    for name in NAMES:
        assert callable(build_parser().parse_args([name, *needed.get(name, [])]).run)


def test_an_error_for_the_user_is_one_line_and_status_1(tmp_path):
    (tmp_path / "params.yaml").touch()
    done = python("-m", "flairhub.cli.main", "table", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("flairhub: Expected reports/benchmark.csv")
    assert done.stderr.count("\n") == 1
    assert "dvc repro" in done.stderr
    shown = python("-m", "flairhub.cli.main", "--traceback", "table", cwd=tmp_path)
    assert shown.returncode == 1
    assert "Traceback" in shown.stderr


def test_use_sample_restores_the_default_exactly(repository):
    default = (ROOT / "profiles/sample.yaml").read_bytes()
    for words in (["full"], ["sample", "--rows", "LC-A,LC-G", "--set", "train.epochs=1", "train.seed=7"], ["released"]):
        assert main(["use", *words]) == 0
        assert (repository / "params.yaml").read_bytes() != default
    assert main(["use", "sample"]) == 0
    assert (repository / "params.yaml").read_bytes() == default
    assert {path.name for path in repository.iterdir()} == {"profiles", "params.yaml", ".flairhub", "data"}
    noted = (repository / "data/sources/archives.json").read_bytes()
    assert noted == (ROOT / "data/sources/archives.json").read_bytes()


def test_use_says_what_params_yaml_now_holds(repository, capsys):
    assert main(["use", "sample", "--rows", "LC-G, LC-A", "--set", "train.seed=7"]) == 0
    assert capsys.readouterr().out == "params.yaml: profile sample, source sample, 2 rows.\n"


def test_a_data_path_goes_to_the_untracked_settings_only(repository, store_archive):
    archives = repository / "elsewhere" / "archives"
    store_archive(archives, "D012-2019_AERIAL_RGBI", {"x": b""})
    assert main(["use", "local"]) == 0
    without = (repository / "params.yaml").read_bytes()
    (repository / "local.yaml").write_text("# mine\nworkers: 3\n")
    assert main(["use", "local", "--data", "elsewhere/archives"]) == 0
    assert (repository / "params.yaml").read_bytes() == without
    assert (repository / "local.yaml").read_text().splitlines() == ["# mine", "workers: 3", f"data: {archives}"]
    noted = (repository / "data/sources/archives.json").read_text()
    assert "D012-2019_AERIAL_RGBI" in noted
    assert "elsewhere" not in noted


def test_a_folder_without_archives_is_refused_before_anything_is_written(repository, capsys):
    before = (repository / "params.yaml").read_bytes()
    (repository / "empty").mkdir()
    assert main(["use", "local", "--data", "empty"]) == 1
    assert "found none" in capsys.readouterr().err
    assert (repository / "params.yaml").read_bytes() == before
    assert not (repository / "local.yaml").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sample", "--set", "train.epoch=3"], "did you mean 'epochs'"),
        (["sample", "--set", "train.epochs=many"], "train.epochs"),
        (["sample", "--rows", "LC-Q"], "LC-Q"),
        (["sample", "--rows", ""], "--rows: expected identifiers of rows, e.g. LC-A, LC-B, but got none"),
        (["sample", "--rows", ","], "but got none"),
        (["sample", "--set", "train.betas=[0.9"], "--set train.betas is not valid YAML 1.2"),
        (["sample", "--set", "rows.LC-G&touch PWNED.tasks=[ALL_LABEL-LPIS]"], "rows: expected letters, digits"),
        (["sample", "--set", "audit.checks.sizes.policy=keep"], "did you mean 'size'"),
        (["p" * 300], "Profile: expected letters"),
        (["smaple"], "did you mean 'sample'"),
        (["local", "--data", "nowhere"], "nowhere"),
        (["local", "--data", ".", "--set", "trian.epochs=3"], "did you mean 'train'"),
    ],
)
def test_a_mistake_leaves_every_file_untouched(words, message, repository, capsys):
    edited = (repository / "params.yaml").read_text() + "# a note of mine\n"
    (repository / "params.yaml").write_text(edited)
    assert main(["use", *words]) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert (repository / "params.yaml").read_text() == edited
    assert not (repository / "local.yaml").exists()


def git(folder, *words):
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=folder, check=True)


def test_use_never_discards_an_edit_by_hand(repository, capsys):
    params = repository / "params.yaml"
    assert main(["use", "sample", "--rows", "LC-A,LC-G", "--set", "train.seed=7"]) == 0
    assert main(["use", "full", "--rows", "LC-A"]) == 0  # what `use` wrote is no edit
    edited = params.read_text().replace("  epochs: 150 ", "  epochs: 3 ").encode()
    params.write_bytes(edited)
    capsys.readouterr()
    assert main(["use", "sample"]) == 1
    error = capsys.readouterr().err
    assert [line.split("#")[0].strip() for line in error.splitlines()[1:]] == ["-  epochs: 150", "+  epochs: 3"]
    assert "--force" in error
    assert params.read_bytes() == edited
    assert main(["use", "sample", "--force"]) == 0
    (copy,) = [path for path in (repository / ".flairhub/params").iterdir() if path.name != "written.yaml"]
    assert str(copy) in capsys.readouterr().out
    assert copy.read_bytes() == edited
    assert params.read_bytes() == (ROOT / "profiles/sample.yaml").read_bytes()


def test_use_overwrites_an_edit_that_a_commit_holds(repository):
    params = repository / "params.yaml"
    params.write_text(params.read_text().replace("seed: 2025", "seed: 1"))
    git(repository, "init", "-q")
    git(repository, "add", "params.yaml")
    assert main(["use", "full"]) == 1
    git(repository, "commit", "-q", "-m", "mine")
    assert main(["use", "full"]) == 0


@pytest.mark.parametrize("content", [b"<<<<<<< ours\nprofile: [\n", b"\xff\xfe", b""])
def test_what_is_no_yaml_is_an_edit_too(content, repository, capsys):
    (repository / "params.yaml").write_bytes(content)
    assert main(["use", "sample"]) == 1
    assert "params.yaml was edited" in capsys.readouterr().err
    assert main(["use", "sample", "--force"]) == 0
    (repository / "params.yaml").unlink()
    assert main(["use", "sample"]) == 0
    assert (repository / "params.yaml").read_bytes() == (ROOT / "profiles/sample.yaml").read_bytes()


def test_params_says_what_a_row_resolves_to_and_from_where(repository, capsys):
    sets = ["rows.LC-D.train.epochs=3", "train.seed=7"]
    assert main(["use", "full", "--rows", "LC-D,LC-B", "--set", *sets]) == 0
    capsys.readouterr()
    assert main(["params", "LC-D"]) == 0
    lines = {line.split()[0]: re.split(r" {2,}", line)[1:] for line in capsys.readouterr().out.splitlines()}
    assert lines["modalities"] == ["row", '["AERIAL_RGBI", "SENTINEL2_TS"]']
    assert lines["train.epochs"] == ["row", "3"]
    assert lines["train.seed"] == ["params", "7"]
    assert lines["train.learning_rate"] == ["profile full", "5e-05"]
    assert lines["train.accumulate"] == ["profile sample", "1"]
    assert lines["weights"] == ["default", "trained"]
    assert main(["params"]) == 0
    assert "rows.LC-D.train.epochs" in capsys.readouterr().out
    assert main(["params", "LC-Q"]) == 1
    assert "did you mean" in capsys.readouterr().err


def test_use_outside_a_repository_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["use", "sample"]) == 1
    assert "profiles/" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_a_table_that_could_not_be_written_is_no_success(repository):
    command = ["bash", "-c", '"$0" -m flairhub.cli.main rows >/dev/full', sys.executable]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT / "src")}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("flairhub: the work is done, but what it printed did not arrive: ")
    assert "No space left" in done.stderr
    assert done.stderr.count("\n") == 1
