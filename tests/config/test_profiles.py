from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from flairhub.catalog.modalities import MODALITIES
from flairhub.catalog.released_contracts import RELEASED
from flairhub.config.profiles import profile_names, profile_text
from flairhub.config.reader import read_params
from flairhub.errors import ConfigurationError

PROFILES = Path(__file__).parents[2] / "profiles"
RELEASED_ROWS = {entry.row for entry in RELEASED.values()}


def parsed(text, tmp_path):
    path = tmp_path / "params.yaml"
    path.write_text(text)
    return read_params(path)


def test_sample_is_the_committed_file_byte_for_byte():
    assert profile_text(PROFILES, "sample") == (PROFILES.parent / "params.yaml").read_text()


@pytest.mark.parametrize("name", profile_names(PROFILES))
def test_every_key_has_a_comment_of_its_own_or_of_the_key_above_it(name):
    """Keys that stand for modalities, tasks or rows are explained by the key above them; a name once is enough."""
    explained, above, bare = {"profile", "weights", *MODALITIES}, [], []
    for line in (PROFILES / f"{name}.yaml").read_text().splitlines():
        if (found := re.match(r"( *)([\w-]+):(.*)", line)) is None:
            continue
        depth, key = len(found[1]) // 2, found[2]
        above = [*above[:depth], (key, "#" in found[3])]
        if "#" in found[3]:
            explained.add(key)
        sub = line.rstrip().endswith(":")  # its keys are explained
        if key not in explained and not sub and not (depth and above[depth - 1][1]) and above[0][0] != "provenance":
            bare.append(".".join(each for each, _ in above))
    assert [key for key in bare if not key.startswith("rows.")] == []


def test_what_is_changed_first_stands_first():
    sections = re.findall(r"^(\w+):", profile_text(PROFILES, "sample"), flags=re.MULTILINE)
    assert sections[:4] == ["profile", "data", "rows", "train"]
    assert set(sections[-6:]) == {"loss", "model", "stats", "audit", "environment", "provenance"}


def test_sections_stay_apart_whatever_rows_are_kept_or_changed():
    text = profile_text(PROFILES, "sample", rows=["LPIS-K"], sets=["rows.LPIS-K.train.epochs=1"])
    assert "    modalities: [SPOT_RGBI]\n    train:\n      epochs: 1\n\ntrain:" in text
    assert re.search(r"[^\n]\n\w+:", profile_text(PROFILES, "released", rows=["LC-A"])) is None


@pytest.mark.parametrize("row", ["LC G", "LC-G&touch PWNED", "../LC-A", "", "-x", "é", "a" * 65, "x.y"])
def test_an_identifier_of_a_row_that_is_no_word_is_refused(row, tmp_path):
    text = profile_text(PROFILES, "sample").replace("  LC-G:", f"  {json.dumps(row)}:")
    with pytest.raises(ConfigurationError, match="rows: expected letters, digits"):
        parsed(text, tmp_path)


@pytest.mark.parametrize("name", profile_names(PROFILES))
def test_every_profile_is_accepted_and_names_itself(name, tmp_path):
    params = parsed(profile_text(PROFILES, name), tmp_path)
    assert params.profile == name
    rows = list(parsed(profile_text(PROFILES, "sample"), tmp_path).rows)
    assert list(params.rows) == [row for row in rows if name != "released" or row in RELEASED_ROWS]


def test_an_edited_document_changes_nothing_else():
    before = profile_text(PROFILES, "sample").splitlines()
    after = profile_text(PROFILES, "sample", sets=["train.epochs=3"]).splitlines()
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == 1
    assert changed[0][1].split("#")[0].strip() == "epochs: 3"
    assert changed[0][1].split("#")[1] == changed[0][0].split("#")[1]


def test_rows_are_kept_in_order_and_changed_by_dotted_key(tmp_path):
    text = profile_text(
        PROFILES, "local", rows=["LC-D", "LC-A"], sets=["rows.LC-A.channels.AERIAL_RGBI=[1,2,3]", "train.epochs=2"]
    )
    params = parsed(text, tmp_path)
    assert list(params.rows) == ["LC-A", "LC-D"]
    assert params.rows["LC-A"].channels == {"AERIAL_RGBI": [1, 2, 3]}
    assert params.train.epochs == 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "ful"}, "did you mean 'full'"),
        ({"name": "f" * 300}, "Profile: expected letters.*300 characters"),
        ({"name": "../profiles/full"}, "Profile: expected letters"),
        ({"name": "sample", "sets": ["profile=a b"]}, "profile: expected letters"),
        ({"name": "sample", "sets": ["rows.LC G.tasks=[ALL_LABEL-LPIS]", "rows.LC G.modalities=[SPOT_RGBI]"]}, "LC G"),
        ({"name": "sample", "rows": ["LC-Q"]}, "unknown row 'LC-Q'"),
        ({"name": "sample", "sets": ["train.epoch=3"]}, "did you mean 'epochs'"),
        ({"name": "sample", "sets": ["rows.LC-A.chanels.AERIAL_RGBI=[1]"]}, "did you mean 'channels'"),
        ({"name": "sample", "sets": ["train.epochs"]}, "KEY=VALUE"),
        ({"name": "sample", "sets": ["train.epochs=many"]}, "train.epochs"),
        ({"name": "sample", "sets": ["rows.LC-A.channels.AERIAL_RGBI=[9]"]}, "channels of AERIAL_RGBI"),
    ],
)
def test_mistakes_are_refused(arguments, message):
    with pytest.raises(ConfigurationError, match=message):
        profile_text(PROFILES, **arguments)


def test_the_full_profile_is_the_published_recipe(tmp_path):
    params = parsed(profile_text(PROFILES, "full"), tmp_path)
    assert params.model.mono.arch == "swin_base_patch4_window12_384-upernet"
    assert (params.train.epochs, params.train.learning_rate, params.train.seed) == (150, 5e-5, 2025)
    assert params.train.scheduler == "one_cycle_lr"
    assert params.train.early_stopping_patience == 20
    assert params.model.utae.fusion_widths == "published"
    assert {choice.status for choice in params.provenance.values()} == {"confirmed", "inferred", "unknown"}


def test_provenance_names_real_parameters(tmp_path):
    params = parsed(profile_text(PROFILES, "full"), tmp_path)
    values = params.model_dump()
    for name in params.provenance:
        node = values
        for part in name.split("."):
            assert part in node, name
            node = node[part]


def test_the_released_profile_is_the_full_one_with_weights_given(tmp_path):
    released = parsed(profile_text(PROFILES, "released"), tmp_path)
    full = parsed(profile_text(PROFILES, "full"), tmp_path)
    assert {row: settings.weights for row, settings in released.rows.items()} == dict.fromkeys(
        released.rows, "released"
    )
    assert set(released.rows) == RELEASED_ROWS
    assert released.provenance == full.provenance
    assert released.model.utae == full.model.utae
    assert released.model.utae.norm_padding == "counted"
    assert (released.data, released.evaluate) == (full.data, full.evaluate)


def test_an_empty_mapping_empties_what_the_base_has(tmp_path):
    full = parsed(profile_text(PROFILES, "full"), tmp_path)
    assert full.model.mono.decoder_options == {}


@pytest.fixture
def own_profiles(tmp_path):
    """A folder of profiles to write more into."""
    folder = tmp_path / "profiles"
    shutil.copytree(PROFILES, folder)
    return folder


def test_a_profile_extends_another_and_keeps_rows(own_profiles, tmp_path):
    (own_profiles / "one.yaml").write_text("profile: one\ntrain:\n  epochs: 3\n  learning_rate: 0.5\n")
    (own_profiles / "two.yaml").write_text(
        "extends: one\nonly_rows: [LC-G, LC-A, LC-B]\nprofile: two\ntrain:\n  epochs: 4\n"
    )
    text = profile_text(own_profiles, "two")
    assert "extends" not in text
    assert "only_rows" not in text
    params = parsed(text, tmp_path)
    assert list(params.rows) == ["LC-A", "LC-B", "LC-G"]
    assert (params.train.epochs, params.train.learning_rate) == (4, 0.5)
    fewer = parsed(profile_text(own_profiles, "two", rows=["LC-G"]), tmp_path)
    assert list(fewer.rows) == ["LC-G"]
    with pytest.raises(ConfigurationError, match="--rows: unknown row 'LC-C'"):
        profile_text(own_profiles, "two", rows=["LC-C"])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("extends: one\n", "extends itself: one -> one"),
        ("extends: ful\n", "did you mean 'full'"),
        ("only_rows: [LC-Q]\n", "only_rows: unknown row 'LC-Q'"),
    ],
)
def test_what_a_profile_may_not_say(own_profiles, text, message):
    (own_profiles / "one.yaml").write_text(f"profile: one\n{text}")
    with pytest.raises(ConfigurationError, match=message):
        profile_text(own_profiles, "one")


def test_few_rows_of_the_published_data_name_the_layers_to_pull(tmp_path):
    params = parsed(profile_text(PROFILES, "full", rows=["LC-G"]), tmp_path)
    assert params.data.subset.modalities == ("SENTINEL2_TS", "SENTINEL2_MSK-SC", "AERIAL_LABEL-COSIA")
    assert parsed(profile_text(PROFILES, "full"), tmp_path).data.subset.modalities is None
    assert parsed(profile_text(PROFILES, "sample", rows=["LC-G"]), tmp_path).data.subset.modalities is None


def test_a_part_of_the_published_data_by_domain_and_row(tmp_path):
    text = profile_text(PROFILES, "full", rows=["LC-G"], sets=["data.subset.domains=[D012-2019, D058-2020]"])
    params = parsed(text, tmp_path)
    assert params.data.subset.domains == ("D012-2019", "D058-2020")
    assert params.data.subset.modalities == ("SENTINEL2_TS", "SENTINEL2_MSK-SC", "AERIAL_LABEL-COSIA")
