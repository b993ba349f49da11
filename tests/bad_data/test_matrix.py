"""Every kind of bad input is named by the stage that must catch it, and the good part of the data stays in use.

One small data set is drawn, and each kind spoils a patch, an archive or an entry of its own; index and audit run once.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pytest
from tests.audit.test_audit import found, row
from tests.bad_data.kinds import (
    AERIAL,
    ARCHIVE_KINDS,
    DATE_KINDS,
    FILE_KINDS,
    PAN,
    S2,
    SPOT,
    ArchiveKind,
    DateKind,
    FileKind,
    edit,
    pixels,
    swapped,
    with_dates,
)
from tests.fact_tables import index_archives
from tests.folders import read_members, write_members
from tests.sample.conftest import sample_params

from flairhub.audit.audit import Audit, audit, require_passed, write_audit
from flairhub.audit.sentences import failed_sentences, sentence
from flairhub.catalog.names import archive_of, member_of, parse_patch_id
from flairhub.config.pipeline import AuditParams, SplitParams
from flairhub.errors import DataError, FlairhubError
from flairhub.facts.tables import read_patches
from flairhub.sample.build import build_sample
from flairhub.splits.make import make_splits

PARAMS = AuditParams(checks={}, max_nodata_share=0.5, min_polarisation_gap=1.3)
SPLIT = SplitParams(method="column", column="split_1", csv=None, unit="domain", seed=1, shares={})


@dataclass(frozen=True)
class World:
    """Archives with their index and audit."""

    root: Path
    outcome: Audit

    def check(self, name: str) -> dict:
        return found(self.outcome, name)


def indexed(folder: Path, root: Path) -> Audit:
    outcome = audit(index_archives(folder, root), PARAMS)
    write_audit(root / "audit", outcome)
    return outcome


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("clean") / "archives"
    params = sample_params(train_domains=3, test_domains=2, rois_per_domain=9, patches_per_roi=2, aerial_px=32)
    build_sample(params, folder)
    return folder


def patches_of(folder: Path) -> list[str]:
    """Patches of all domains but the last, whose archives are spoiled as a whole."""
    names = sorted(path.stem for path in folder.glob(f"*_{AERIAL}.zip"))[:-1]
    found = []
    for name in names:
        for member in read_members(folder / f"{name}.zip"):
            stem = member.rsplit("/", 1)[1].removesuffix(".tif")
            found.append(stem.replace(f"_{AERIAL}_", "_"))
    return found


def places(folder: Path) -> Iterator[str]:
    """Patches, each to be spoiled once; regions take turns, so that few neighbours are spoiled."""
    return iter(sorted(patches_of(folder), key=lambda patch: (parse_patch_id(patch).j, patch)))


KINDS = (*FILE_KINDS, *DATE_KINDS)


@pytest.fixture(scope="module")
def spoiled(clean: Path) -> dict[str, str]:
    """Kind -> its patch."""
    return {f"{type(kind).__name__} {kind.name}": patch for kind, patch in zip(KINDS, places(clean), strict=False)}


@pytest.fixture(scope="module")
def world(clean: Path, spoiled: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> World:
    root = tmp_path_factory.mktemp("bad")
    folder = shutil.copytree(clean, root / "archives")
    for kind in FILE_KINDS:
        patch = parse_patch_id(spoiled[f"FileKind {kind.name}"])
        path = folder / f"{archive_of(patch, kind.modality)}.zip"
        members = read_members(path)
        name = member_of(patch, kind.modality)
        write_members(path, members | {name: kind.spoil(members[name])})
    last = max(path.stem.split("_")[0] for path in folder.glob(f"*_{AERIAL}.zip"))
    for kind in ARCHIVE_KINDS:
        path = folder / f"{bad_archive(kind, last)}.zip"
        content = kind.spoil(path, read_members(path))
        path.write_bytes(content) if isinstance(content, bytes) else write_members(path, content)
    with metadata_file(folder, "GLOBAL_SENTINEL2_MTD_DATES.gpkg") as file:
        for kind in DATE_KINDS:
            with_dates(file, spoiled[f"DateKind {kind.name}"], kind.change)
    return World(root, indexed(folder, root))


def bad_archive(kind: ArchiveKind, domain: str) -> str:
    return f"{domain.split('-', maxsplit=1)[0]}-195X_{PAN}" if kind.modality == PAN else f"{domain}_{kind.modality}"


@contextmanager
def metadata_file(folder: Path, ending: str) -> Iterator[Path]:
    """One of the GeoPackages, which goes back into its archive with what was done to it."""
    path = folder / "GLOBAL_ALL_MTD.zip"
    members = read_members(path)
    (name,) = [name for name in members if name.endswith(ending)]
    file = folder.parent / ending
    file.write_bytes(members[name])
    yield file
    write_members(path, members | {name: file.read_bytes()})


def test_there_are_enough_kinds_and_patches_for_them(clean: Path, spoiled: dict[str, str]):
    assert len(spoiled) == len(KINDS)
    assert len(KINDS) + len(ARCHIVE_KINDS) >= 40


@pytest.mark.parametrize("kind", FILE_KINDS, ids=lambda kind: kind.name)
def test_a_bad_file_is_named_with_its_patch(world: World, spoiled: dict[str, str], kind: FileKind):
    patch = spoiled[f"FileKind {kind.name}"]
    check = world.check(kind.check)
    mine = [each for each in check["examples"] if (each["patch"], each["modality"]) == (patch, kind.modality)]
    assert mine, (check["unexpected"], check["examples"])
    assert kind.found in str(mine[0]["found"])
    assert row(world.outcome, patch, kind.modality)["accepted"] == kind.accepted


@pytest.mark.parametrize("kind", DATE_KINDS, ids=lambda kind: kind.name)
def test_bad_dates_are_named_with_their_patch(world: World, spoiled: dict[str, str], kind: DateKind):
    patch = spoiled[f"DateKind {kind.name}"]
    kept = row(world.outcome, patch, S2)
    examples = {(each["patch"], each["modality"]) for each in world.check(kind.check)["examples"]}
    assert kind.check in kept["reasons"].split(";") or (patch, S2) in examples
    assert kept["accepted"] == kind.accepted
    if kind.check == "date_valid":
        assert 0 in kept["rejected_dates"]


@pytest.mark.parametrize("kind", ARCHIVE_KINDS, ids=lambda kind: kind.name)
def test_a_bad_archive_is_an_error_that_names_it(world: World, kind: ArchiveKind):
    check = world.check("archive")
    assert (check["severity"], check["success"], check["unexpected"]) == ("error", False, len(ARCHIVE_KINDS))
    mine = [each for each in check["examples"] if each["modality"].startswith(f"{kind.modality} ")]
    assert len(mine) == 1
    assert kind.found in mine[0]["found"]
    domain = mine[0]["modality"].split()[1]
    assert f"{domain}_{kind.modality}" in mine[0]["found"]


def test_the_good_part_is_indexed_and_stays_valid(world: World, clean: Path, spoiled: dict[str, str]):
    assert not world.outcome.success
    whole = read_patches(world.root / "index", None, ["patch_id", "modality"])
    wanted = set(patches_of(clean))
    assert set(whole["patch_id"]) >= wanted
    bad = set(spoiled.values())
    table = world.outcome.valid.to_pandas()
    good = table[table["patch_id"].isin(wanted - bad)]
    assert len(good) >= 10
    assert good["accepted"].all()
    # of a spoiled patch, the other files stay too, but for a mask whose series was spoiled
    kinds = {spoiled[f"FileKind {kind.name}"]: kind for kind in FILE_KINDS}
    refused = table[table["patch_id"].isin(set(kinds)) & ~table["accepted"]]
    others = {(p, m) for p, m in zip(refused["patch_id"], refused["modality"], strict=True) if kinds[p].modality != m}
    assert {modality for _, modality in others} <= {"SENTINEL2_MSK-SC"}


def test_every_finding_is_one_sentence_with_file_contract_and_remedy(world: World):
    sentences = failed_sentences(world.outcome.report)
    assert len(sentences) == sum(not check["success"] for check in world.outcome.report["checks"])
    for text in sentences:
        assert "Expected: " in text
        assert "To do: " in text
        assert "\n" not in text
    readable = sentence(world.check("readable"))
    assert ".tif: found Expected" in readable
    with pytest.raises(DataError, match=r"archive \(10 of .*: found D955.*: expected"):
        require_passed(world.root / "audit" / "report.json")


def test_no_split_is_made_of_bad_data(world: World):
    with pytest.raises(FlairhubError, match="Expected an audit without failed checks"):
        make_splits(SPLIT, world.root / "index", world.root / "audit", world.root / "splits", world.root)
    assert not (world.root / "splits").exists()


def test_the_set_without_defects_passes(clean: Path, tmp_path: Path):
    outcome = indexed(clean, tmp_path)
    assert outcome.success
    assert {check["name"] for check in outcome.report["checks"] if not check["success"]} <= {"sentinel1_zero_pixels"}


# kinds that concern a whole set


def spoil_one(clean: Path, root: Path, modality: str, change) -> Path:
    """A copy of the set in which the first archive of a modality has other members."""
    folder = shutil.copytree(clean, root / "archives")
    path = sorted(folder.glob(f"*_{modality}.zip"))[0]
    change(path, read_members(path))
    return folder


def failed(outcome: Audit, name: str) -> dict:
    check = found(outcome, name)
    assert not check["success"]
    return check


def test_a_member_that_is_there_twice_is_one_unreadable_patch(clean: Path, tmp_path: Path):
    folder = spoil_one(clean, tmp_path, AERIAL, lambda path, m: write_members(path, m, twice=min(m)))
    outcome = indexed(folder, tmp_path)
    check = failed(outcome, "readable")
    assert check["unexpected"] == 1
    assert "once, but the archive has it 2 times" in check["examples"][0]["found"]
    assert outcome.report["summary"]["accepted_files"] == outcome.report["summary"]["files"] - 1


def test_single_names_that_break_the_rule_are_a_warning_beside_the_right_name(clean: Path, tmp_path: Path):
    def change(path: Path, members: dict[str, bytes]) -> None:
        first, *_ = sorted(members)
        renamed = {name.replace(".tif", ".TIF") if name == first else name: data for name, data in members.items()}
        write_members(path, renamed | {"thumbs.db": b"", "../../evil.tif": b"", "/abs.tif": b""})

    folder = spoil_one(clean, tmp_path, AERIAL, change)
    outcome = indexed(folder, tmp_path)
    check = failed(outcome, "member_names")
    assert check["unexpected"] == 1
    assert check["examples"][0]["found"].startswith("3, e.g. ")
    assert "instead of" in check["examples"][0]["found"]
    assert not list(tmp_path.parent.glob("evil.tif"))
    assert failed(outcome, "missing_modality")["examples"][0]["modality"] == AERIAL


def test_a_copy_of_another_patch_is_named(clean: Path, tmp_path: Path):
    def change(path: Path, members: dict[str, bytes]) -> None:
        first, second, *_ = sorted(members)
        write_members(path, members | {second: members[first]})

    outcome = indexed(spoil_one(clean, tmp_path, AERIAL, change), tmp_path)
    assert failed(outcome, "repeated_image")["unexpected"] == 2
    assert failed(outcome, "footprint")["unexpected"] == 1


@pytest.mark.parametrize(
    ("modality", "bands", "words"), [(AERIAL, (0, 2, 4), "R and B"), (SPOT, (0, 3, 4), "R and NIR")]
)
def test_bands_exchanged_in_a_whole_archive(clean: Path, tmp_path: Path, modality, bands, words):
    def change(path: Path, members: dict[str, bytes]) -> None:
        write_members(path, {name: swapped(*bands)(data) for name, data in members.items()})

    outcome = indexed(spoil_one(clean, tmp_path, modality, change), tmp_path)
    check = failed(outcome, "bands_exchanged")
    assert check["by_modality"] == {modality: 18}
    assert {each["found"] for each in check["examples"]} == {words}


@pytest.mark.parametrize("modality", [AERIAL, SPOT])
def test_bands_exchanged_in_the_whole_set(clean: Path, tmp_path: Path, modality: str):
    folder = shutil.copytree(clean, tmp_path / "archives")
    for path in folder.glob(f"*_{modality}.zip"):
        exchange = swapped(0, 2, 4) if modality == AERIAL else swapped(0, 3, 4)
        write_members(path, {name: exchange(data) for name, data in read_members(path).items()})
    outcome = indexed(folder, tmp_path)
    assert failed(outcome, "band_order")["examples"][0]["modality"].startswith(modality)


def test_no_file_of_a_set_says_where_it_lies(clean: Path, tmp_path: Path):
    folder = shutil.copytree(clean, tmp_path / "archives")
    for path in folder.glob("*.zip"):
        if path.stem != "GLOBAL_ALL_MTD":
            bare = pixels(lambda a: a, crs=None)
            write_members(path, {name: bare(data) for name, data in read_members(path).items()})
    outcome = indexed(folder, tmp_path)
    assert failed(outcome, "georeferenced")["unexpected"] == outcome.report["summary"]["files"]


def edited_metadata(clean: Path, root: Path, file: str, statement: str, *values: str) -> Path:
    folder = shutil.copytree(clean, root / "archives")
    with metadata_file(folder, file) as path:
        edit(path, statement, *values)
    return folder


def test_a_patch_in_two_splits_is_refused_and_one_listed_twice_is_a_warning(clean: Path, tmp_path: Path):
    patch = patches_of(clean)[0]
    columns = "geom, patch_id, split_1, split_2, split_3, split_4, split_5, split_flairchallenge"
    for name, where in (("same", "split_1"), ("other", "'test'")):
        copied = columns.replace("split_1", where)
        statement = f"INSERT INTO TABLE ({columns}) SELECT {copied} FROM TABLE WHERE patch_id = ?"
        (tmp_path / name).mkdir()
        folder = edited_metadata(clean, tmp_path / name, "GLOBAL_ALL_MTD_SPLIT.gpkg", statement, patch)
        outcome = indexed(folder, tmp_path / name)
        check = failed(outcome, "split_repeated")
        assert [(each["patch"], each["found"]) for each in check["examples"]] == [(patch, 2)]
    with pytest.raises(DataError, match=f"share no .*{patch}|share no domain"):
        make_splits(SPLIT, tmp_path / "other" / "index", tmp_path / "other" / "audit", tmp_path / "splits", tmp_path)


def test_dates_that_contradict_each_other_are_not_used(clean: Path, tmp_path: Path):
    patch = patches_of(clean)[0]
    statement = (
        'INSERT INTO TABLE (geom, patch_id, acquisition_dates) SELECT geom, patch_id, \'{"1": "20200101"}\' FROM '
        "TABLE WHERE patch_id = ?"
    )
    folder = edited_metadata(clean, tmp_path, "GLOBAL_SENTINEL2_MTD_DATES.gpkg", statement, patch)
    outcome = indexed(folder, tmp_path)
    assert {each["patch"] for each in failed(outcome, "date_count")["examples"]} == {patch}


def test_a_missing_archive_is_a_warning_that_names_patches_and_layer(clean: Path, tmp_path: Path):
    folder = spoil_one(clean, tmp_path, SPOT, lambda path, _: path.unlink())
    outcome = indexed(folder, tmp_path)
    check = failed(outcome, "missing_modality")
    assert check["unexpected"] == 18
    assert pd.Series([each["modality"] for each in check["examples"]]).eq(SPOT).all()


def test_an_archive_both_zipped_and_extracted_is_refused(clean: Path, tmp_path: Path):
    folder = spoil_one(clean, tmp_path, SPOT, lambda path, _: path.with_suffix("").mkdir())
    with pytest.raises(DataError, match="holds both"):
        indexed(folder, tmp_path)


def test_damaged_metadata_is_refused_by_name(clean: Path, tmp_path: Path):
    folder = shutil.copytree(clean, tmp_path / "archives")
    with metadata_file(folder, "GLOBAL_SENTINEL2_MTD_DATES.gpkg") as path:
        path.write_bytes(path.read_bytes()[:3000])
    with pytest.raises(DataError, match=r"SENTINEL2_MTD_DATES\.gpkg: expected a GeoPackage"):
        indexed(folder, tmp_path)


def test_of_nothing_but_damage_the_archives_are_named(clean: Path, tmp_path: Path):
    folder = shutil.copytree(clean, tmp_path / "archives")
    for path in folder.glob("D*.zip"):
        path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"archives cannot be used: D\d+.*zip: expected a zip archive"):
        indexed(folder, tmp_path)
