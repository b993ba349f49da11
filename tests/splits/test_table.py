"""Splits: the official column, the reference's CSV files, draws; what is not in the data; the written files."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flairhub.catalog.names import parse_patch_id
from flairhub.config.pipeline import SplitParams
from flairhub.errors import ConfigurationError, DataError, MissingFileError
from flairhub.files import write_text
from flairhub.splits.draw import draw, place
from flairhub.splits.table import SPLITS, read_split_table, split, unit_of, write_splits

TOY = Path(__file__).parents[1] / "assets" / "toy_csv"
TOY_FILES = {name: f"FLAIR-HUB_TOY-DATASET_{name.upper()}.csv" for name in SPLITS}
TOY_CSV = {name: f"data/csv/{file}" for name, file in TOY_FILES.items()}
SHARES = {"train": 0.6, "valid": 0.2, "test": 0.2}
A, B, C = "D004-2021_AA-S1-1_1-1", "D004-2021_AA-S1-2_1-1", "D012-2019_AF-S1-27_5-10"


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A repository with the reference's CSV files of the toy data set."""
    shutil.copytree(TOY, tmp_path / "toy" / "data" / "csv")
    return tmp_path / "toy"


def params(**changes: Any) -> SplitParams:
    base = {"method": "column", "column": "split_1", "csv": None, "unit": "domain", "seed": 1, "shares": SHARES}
    return SplitParams(**(base | changes))


def valid_table(patches: Any, refused: Any = ()) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "patch_id": list(patches),
            "modality": "AERIAL_RGBI",
            "accepted": [patch not in set(refused) for patch in patches],
        }
    )


def toy_patches() -> list[str]:
    return [patch for path in TOY_FILES.values() for patch in read_split_table(TOY / path)]


def image() -> np.ndarray:
    return np.arange(16, dtype=np.uint8).reshape(4, 2, 2)


def test_the_official_column(facts: Any) -> None:
    elsewhere = "D099-2020_UU-S1-1_1-1"
    facts.splits(
        split_1={A: "train", B: "valid", C: "test", elsewhere: "test"},
        split_2={A: "test", B: None, C: "train", elsewhere: "valid"},
    )
    index = facts.add(A, "AERIAL_RGBI", image()).write()
    table = split(params(), index, valid_table([A, B, C]), index)
    assert table.patches == {"train": (A,), "valid": (B,), "test": (C,)}
    assert table.not_in_data == (elsewhere,)
    with pytest.raises(DataError, match=r"none in valid \(train 1, valid 0, test 1; method column\)"):
        split(params(column="split_2"), index, valid_table([A, B, C]), index)
    with pytest.raises(ConfigurationError, match="'split1'; did you mean 'split_1'"):
        split(params(column="split1"), index, valid_table([A, B, C]), index)


def test_a_column_with_other_values_is_refused(facts: Any) -> None:
    index = facts.splits(split_1={A: "train", B: "val", C: "test"}).add(A, "AERIAL_RGBI", image()).write()
    with pytest.raises(DataError, match=r"train, valid or test in column split_1.*'val'"):
        split(params(), index, valid_table([A, B, C]), index)


def test_patches_without_accepted_file_and_without_split_are_named(facts: Any) -> None:
    others = [f"D004-2021_AA-S1-9_1-{k}" for k in (1, 2)]
    facts.splits(split_1={A: "train", B: "valid", C: "test", others[0]: "train"})
    index = facts.add(A, "AERIAL_RGBI", image()).write()
    table = split(params(), index, valid_table([A, B, C, *others], refused=[others[0]]), index)
    assert (table.not_accepted, table.unassigned) == ((others[0],), (others[1],))
    assert table.patches["train"] == (A,)


def test_without_split_metadata_the_column_method_says_so(facts: Any) -> None:
    index = facts.add(A, "AERIAL_RGBI", image()).write()
    with pytest.raises(MissingFileError, match=r"GLOBAL_ALL_MTD_SPLIT.*roi, domain or csv"):
        split(params(), index, valid_table([A]), index)


# the reference's CSV files


def test_the_toy_files_of_the_reference(toy: Path) -> None:
    missing = toy_patches()[3]
    known = [patch for patch in toy_patches() if patch != missing]
    table = split(params(method="csv", csv=TOY_CSV), TOY, valid_table(known), toy)
    assert {name: len(table.patches[name]) for name in SPLITS} == {"train": 149, "valid": 50, "test": 50}
    assert table.not_in_data == (missing,)
    assert (table.repeated, table.unassigned) == ((), ())
    assert table.patches["test"] == tuple(sorted(read_split_table(TOY / TOY_FILES["test"])))
    assert {parse_patch_id(p).domain for p in table.patches["test"]} == {"D012", "D068", "D069", "D083", "D085"}


def test_semicolons_byte_order_marks_and_crlf_are_read_alike(tmp_path: Path) -> None:
    text = (TOY / TOY_FILES["valid"]).read_text(encoding="utf-8")
    (tmp_path / "full.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(",", ";").replace("\n", "\r\n").encode())
    assert read_split_table(tmp_path / "full.csv") == read_split_table(TOY / TOY_FILES["valid"])


def test_a_patch_listed_twice_counts_once_and_is_named(tmp_path: Path) -> None:
    for name, patches in {"train": [A, A], "valid": [B], "test": [C]}.items():
        write_text(tmp_path / f"data/csv/{name}.csv", "patch_id\n" + "\n".join(patches) + "\n")
    csvs = {name: f"data/csv/{name}.csv" for name in SPLITS}
    table = split(params(method="csv", csv=csvs), tmp_path, valid_table([A, B, C]), tmp_path)
    assert table.patches["train"] == (A,)
    assert table.repeated == (A,)


@pytest.mark.parametrize(
    ("given_csv", "error", "message"),
    [
        (None, ConfigurationError, "a file for train, valid and test"),
        ({"train": "a.csv"}, ConfigurationError, "a file for train, valid and test"),
        (dict.fromkeys(SPLITS, "/somewhere/a.csv"), ConfigurationError, "to be a file in data/csv"),
        (dict.fromkeys(SPLITS, "elsewhere/a.csv"), ConfigurationError, "to be a file in data/csv"),
        (dict.fromkeys(SPLITS, "data/csv/../a.csv"), ConfigurationError, "to be a file in data/csv"),
        (dict.fromkeys(SPLITS, "data/csv/none.csv"), MissingFileError, "CSV file of a split"),
        (dict.fromkeys(SPLITS, "data/csv/README.md"), DataError, "column patch_id in README.md"),
    ],
)
def test_csv_options_that_do_not_work(toy: Path, given_csv: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        split(params(method="csv", csv=given_csv), TOY, valid_table([A]), toy)


def test_csv_files_of_other_data_are_an_error(toy: Path) -> None:
    with pytest.raises(DataError, match="none of the 250 listed is among the 1 patches"):
        split(params(method="csv", csv=TOY_CSV), TOY, valid_table([A]), toy)


# draws

UNITS = st.dictionaries(st.integers(0, 999).map(lambda k: f"D{k:03d}"), st.integers(1, 200), min_size=3, max_size=40)


@given(UNITS, st.integers(0, 2**31), st.randoms())
@settings(max_examples=60, deadline=None)
def test_draws_depend_on_content_and_seed_only(sizes: dict[str, int], seed: int, random: Any) -> None:
    shuffled = list(sizes.items())
    random.shuffle(shuffled)
    drawn = draw(sizes, SHARES, seed)
    assert drawn == draw(dict(shuffled), SHARES, seed)
    assert set(drawn) == set(sizes)
    assert set(drawn.values()) == set(SPLITS)


@given(UNITS, st.integers(0, 2**31))
@settings(max_examples=60, deadline=None)
def test_shares_are_kept_up_to_a_unit_at_each_cut(sizes: dict[str, int], seed: int) -> None:
    drawn = draw(sizes, SHARES, seed)
    total, largest = sum(sizes.values()), max(sizes.values())
    if largest > 0.1 * total:  # a unit may cover a whole share
        return
    for name in SPLITS:
        got = sum(size for unit, size in sizes.items() if drawn[unit] == name)
        assert abs(got - SHARES[name] * total) <= largest


@given(UNITS, st.integers(0, 2**31), st.integers(1, 200))
@settings(max_examples=60, deadline=None)
def test_a_new_unit_moves_units_at_the_cuts_only(sizes: dict[str, int], seed: int, size: int) -> None:
    before, after = draw(sizes, SHARES, seed), draw(sizes | {"DNEW": size}, SHARES, seed)
    order = sorted(sizes, key=lambda unit: place(unit, seed))
    for drawn in (before, after):  # one run of units per split, in one order that the new unit does not change
        runs = [drawn[unit] for unit in order]
        assert sorted(runs, key=["test", "valid", "train"].index) == runs


def test_adding_one_of_many_domains_changes_few() -> None:
    sizes = {f"D{k:03d}": 100 for k in range(100)}
    changed = []
    for seed in range(20):
        before, after = draw(sizes, SHARES, seed), draw(sizes | {"DNEW": 100}, SHARES, seed)
        changed.append(sum(before[unit] != after[unit] for unit in sizes))
    assert max(changed) <= 2


def test_seeds_differ() -> None:
    sizes = {f"D{k:03d}": 100 for k in range(20)}
    assert len({tuple(sorted(draw(sizes, SHARES, seed).items())) for seed in range(5)}) == 5


@pytest.mark.parametrize(
    ("sizes", "shares", "message"),
    [
        ({"a": 1, "b": 1}, SHARES, "at least 3 units.*got 2: "),
        ({"a": 1, "b": 1, "c": 1}, {"train": 0.6, "valid": 0.2, "test": 0.3}, "add up to 1"),
        ({"a": 1, "b": 1, "c": 1}, {"train": 0.5, "test": 0.5}, "add up to 1"),
        ({"a": 1, "b": 1, "c": 1}, {"train": 0.8, "valid": 0.0, "test": 0.2}, "above 0"),
    ],
)
def test_draws_that_cannot_be_made(sizes: Any, shares: Any, message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        draw(sizes, shares, 0)


@pytest.mark.parametrize("method", ["domain", "roi"])
def test_draws_keep_their_unit_together(method: str) -> None:
    patches = [f"D{d:03d}-{y}_UU-S1-{r}_1-{k}" for d in range(8) for y in (2018, 2021) for r in (1, 2) for k in (1, 2)]
    table = split(params(method=method, unit="roi"), TOY, valid_table(patches), TOY)
    assert sum(len(table.patches[name]) for name in SPLITS) == len(patches)
    sides = [set(unit_of(pd.Series(table.patches[name]), method)) for name in SPLITS]  # type: ignore[arg-type]  # a str where a Literal is meant
    assert sum(map(len, sides)) == len(set.union(*sides))


def test_a_draw_by_roi_cannot_keep_domains_apart() -> None:
    with pytest.raises(ConfigurationError, match="ROIs of one domain go to several splits"):
        split(params(method="roi", unit="domain"), TOY, valid_table(toy_patches()), TOY)


def test_a_draw_does_not_depend_on_what_the_audit_accepts() -> None:
    patches = toy_patches()
    everything = split(params(method="domain"), TOY, valid_table(patches), TOY)
    refused = set(patches[::7])
    part = split(params(method="domain"), TOY, valid_table(patches, refused), TOY)
    for name in SPLITS:
        assert part.patches[name] == tuple(p for p in everything.patches[name] if p not in refused)


def test_units_of_patches_agree_with_the_catalog() -> None:
    patches = pd.Series(["D012-2019_AF-S1-27_5-10", "D024047-2021_UU-S2-V18_1-12"])
    parsed = [parse_patch_id(patch) for patch in patches]
    assert list(unit_of(patches, "patch")) == [str(p) for p in parsed]
    assert list(unit_of(patches, "roi")) == [p.roi_key for p in parsed]
    assert list(unit_of(patches, "domain_year")) == [p.domain_year for p in parsed]
    assert list(unit_of(patches, "domain")) == [p.domain for p in parsed]


# written files


def test_written_files_have_the_columns_and_paths_of_the_reference(facts: Any, valid_of: Any, tmp_path: Path) -> None:
    with (TOY / TOY_FILES["test"]).open() as stream:
        reference = next(row for row in csv.DictReader(stream) if row["patch_id"] == C)
    for modality in ("AERIAL_RGBI", "AERIAL-RLT_PAN", "SPOT_RGBI"):
        for patch in (A, B, C):
            facts.add(patch, modality, image()[: 1 if "PAN" in modality else 4])
    index = facts.splits(split_1={A: "train", B: "valid", C: "test"}).write()
    valid = valid_of(index, refused=[(C, "SPOT_RGBI")])
    write_splits(tmp_path, split(params(), index, valid, tmp_path), index, valid)
    with (tmp_path / "test.csv").open() as stream:
        (row,) = list(csv.DictReader(stream))
    assert list(row) == list(reference)
    for column in ("patch_id", "AERIAL_RGBI", "AERIAL-RLT_PAN"):
        assert row[column] == reference[column].removeprefix("../")
    assert row["SPOT_RGBI"] == row["DEM_ELEV"] == ""  # not accepted; not in the data
    assert read_split_table(tmp_path / "train.csv") == [A]
    before = (tmp_path / "train.csv").read_bytes()
    write_splits(tmp_path, split(params(), index, valid, tmp_path), index, valid)
    assert (tmp_path / "train.csv").read_bytes() == before


FIELDS = st.sampled_from(["patch_id", A, B, '"', "x", "\x00", "\r", "\n", ",", ";", "\ufeff", "é", ""])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One for all examples."""
    return tmp_path_factory.mktemp("any")


@given(st.one_of(st.binary(), st.lists(FIELDS, max_size=12).map(lambda parts: ",".join(parts).encode())))
def test_any_bytes_are_a_table_or_named(folder: Path, data: bytes) -> None:
    path = folder / "split.csv"
    path.write_bytes(data)
    try:
        found = read_split_table(path)
    except DataError as error:
        found = [str(error)] * ("split.csv" in str(error))
    assert all(isinstance(text, str) for text in found)
    assert found or b"patch_id" in data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"year,patch_id\n2019\n", "split.csv: expected a patch_id in every row, but row 1 ends before it"),
        ("patch_id,commune\nx,Orléans\n".encode("latin-1"), "split.csv: expected a CSV file in UTF-8"),
        (b"patch_id\n" + b"x" * 200_000, "split.csv: expected a CSV file in UTF-8, but got: field larger than"),
    ],
)
def test_a_damaged_table_is_named(tmp_path: Path, data: bytes, message: str) -> None:
    (tmp_path / "split.csv").write_bytes(data)
    with pytest.raises(DataError, match=message):
        read_split_table(tmp_path / "split.csv")
