"""Example patches on the page of all rows; a row's own page shows what that page shows of it, to the letter."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
from PIL import Image
from tests.page_repository import BOUNDS, PATCHES, PageRepository
from tests.report.page.test_build import read
from tests.world import sample_params

from flairhub.catalog.taxonomies import COSIA, LPIS, taxonomy
from flairhub.errors import DataError, MissingFileError
from flairhub.maps.examples import example_path
from flairhub.maps.geotiff import Georeference, write_prediction
from flairhub.pictures.images import SIDE, class_uri, photo_uri
from flairhub.report.page.examples import RIGHT, UNSCORED, WRONG, choose_examples, example_views
from flairhub.report.page.row_page import Example, render_row_page

ROWS = {
    "LC-A": {"tasks": [COSIA], "modalities": ["AERIAL_RGBI"]},
    "LC-B": {"tasks": [COSIA], "modalities": ["AERIAL_RGBI", "DEM_ELEV"]},
    "LPIS-A": {"tasks": [LPIS], "modalities": ["AERIAL_RGBI"]},
}


@pytest.fixture
def repository(make_page) -> PageRepository:
    return make_page(sample_params(rows=ROWS), resamples=0)


def views(repository: PageRepository) -> list[dict]:
    sources, sections = repository.sources(), repository.table.sections
    cloud = repository.params.preprocessing.filter_sentinel2
    return example_views(choose_examples(sections, sources)[0], sections, sources, cloud)


def pixels(uri: str) -> np.ndarray:
    """[H, W, 3] of a data URI."""
    kind, _, data = uri.partition(";base64,")
    assert kind in {"data:image/png", "data:image/webp"}
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB"))


def colours(names: tuple[str, ...]) -> np.ndarray:
    return np.array([[int(name[k : k + 2], 16) for k in (1, 3, 5)] for name in names])


def test_predictions_and_labels_have_the_official_colours(repository):
    first, second = views(repository)
    assert [first["patch"], second["patch"]] == sorted(PATCHES)
    for task in first["tasks"]:
        name = COSIA if "COSIA" in task["title"] else LPIS
        official = colours(taxonomy(name).colours)
        np.testing.assert_array_equal(pixels(task["label"]), official[repository.labels[name]])
        for row in task["rows"]:
            predicted = repository.predictions[row["row"]]
            np.testing.assert_array_equal(pixels(row["prediction"]), official[predicted])
    assert [[row["row"] for row in task["rows"]] for task in first["tasks"]] == [["LC-A", "LC-B"], ["LPIS-A"]]


def test_errors_leave_out_what_is_not_scored(repository):
    cosia = views(repository)[0]["tasks"][0]
    label = repository.labels[COSIA]
    for row in cosia["rows"]:
        predicted = repository.predictions[row["row"]]
        counted = label < 15
        kind = np.where(~counted, 2, np.where(predicted == label, 0, 1))
        np.testing.assert_array_equal(pixels(row["errors"]), colours((RIGHT, WRONG, UNSCORED))[kind])
        assert row["right"] == f"{100 * (predicted == label)[counted].mean():.1f}"
    shown = {entry["name"]: entry for entry in cosia["legend"]}
    counts = np.bincount(label.ravel(), minlength=19)
    assert cosia["legend"][0]["name"] == taxonomy(COSIA).classes[int(counts.argmax())]
    assert shown["undefined"]["scored"] is False
    assert shown["building"]["share"] == f"{100 * counts[0] / label.size:.0f} %"


def test_a_missing_archive_names_the_patch_and_the_fix(repository):
    (archive,) = repository.root.rglob("D068-2020_AERIAL_RGBI.zip")
    archive.unlink()
    with pytest.raises(MissingFileError, match=rf"D068-2020_AERIAL_RGBI.*{PATCHES[1]}.*flairhub pull.*examples to 0"):
        views(repository)


def test_a_patch_or_label_of_another_version_of_the_data_is_refused(repository, store_archive):
    folder = next(repository.root.rglob("D068-2020_AERIAL_LABEL-COSIA.zip")).parent
    store_archive(folder, "D068-2020_AERIAL_LABEL-COSIA", {})
    with pytest.raises(MissingFileError, match=rf"label {COSIA} of the example patch {PATCHES[1]}"):
        views(repository)
    other = PATCHES[0].replace("AU-S1-0", "AU-S1-99")
    path = example_path(repository.root / "reports/rows/LC-A/examples", COSIA, other)
    path.write_bytes(example_path(path.parents[1], COSIA, PATCHES[0]).read_bytes())
    with pytest.raises(MissingFileError, match=f"{other} .* has no layer there"):
        views(repository)


def test_a_prediction_of_another_shape_is_refused(repository):
    path = example_path(repository.root / "reports/rows/LC-B/examples", COSIA, PATCHES[0])
    where = Georeference(crs="EPSG:2154", bounds=BOUNDS)
    write_prediction(path, np.zeros((8, 8), dtype=np.uint8), where, taxonomy(COSIA))
    with pytest.raises(DataError, match=r"of row LC-B in the shape of its label, \(24, 24\), but got \(8, 8\)"):
        views(repository)


def test_the_patches_of_most_rows_come_first_and_the_rest_is_counted(repository):
    folder = repository.root / "reports/rows/LC-A/examples" / COSIA
    for number in range(9):
        (folder / f"D000-2020_AU-S1-{number}_1-1.tif").touch()
    patches, left_out = choose_examples(repository.table.sections, repository.sources())
    assert set(PATCHES) < set(patches)
    assert (len(patches), left_out) == (6, 5)


def test_large_pictures_are_made_smaller_and_classes_never_blended():
    classes = np.repeat(np.repeat(np.arange(4, dtype=np.uint8).reshape(2, 2), 300, axis=0), 300, axis=1)
    names = ("#000000", "#ff0000", "#00ff00", "#0000ff")
    small = pixels(class_uri(classes, names))
    assert small.shape == (SIDE, SIDE, 3)
    assert {tuple(each) for each in small.reshape(-1, 3)} == {tuple(each) for each in colours(names)}
    ramp = np.repeat(np.linspace(0, 1, 512)[None, :, None], 512, axis=0).repeat(3, axis=2)
    uri = photo_uri(ramp)
    assert uri.startswith("data:image/webp;base64,")
    np.testing.assert_allclose(
        pixels(uri)[:, :, 0].mean(axis=0), 255 * ramp[0, :, 0].reshape(SIDE, 2).mean(axis=1), atol=6
    )
    exact = np.random.default_rng(1).integers(0, 256, (10, 12, 3))
    np.testing.assert_array_equal(pixels(photo_uri(exact / 255)), exact)


@pytest.fixture(scope="module")
def one_row(make_page) -> PageRepository:
    return make_page(sample_params(rows={"LC-A": ROWS["LC-A"]}), resamples=0)


def row_page(repository: PageRepository, *, labels: bool = True) -> str:
    source = repository.sources().row("LC-A")
    label = repository.labels[COSIA].astype("uint8") if labels else None
    prediction = repository.predictions["LC-A"].astype("uint8")
    examples = [Example(task=COSIA, patch_id=patch, prediction=prediction, label=label) for patch in PATCHES]
    return render_row_page("LC-A", source.details, list(source.histories.values()), examples)


def confusion(text: str) -> str:
    (found,) = re.findall(r'<table class="heat tall">\n<caption>LC-A.*?</table>', text, flags=re.DOTALL)
    return found


def curves(text: str) -> list[str]:
    (found,) = re.findall(r'aria-label="Training of LC-A.*?</svg>', text, flags=re.DOTALL)
    return re.findall(r' d="[^"]*"', found)


def pictures(text: str) -> list[tuple[str, str]]:
    return re.findall(r'<img src="(data:[^"]*)" alt="((?:Label of|Prediction of LC-A|Errors of LC-A)[^"]*)', text)


def test_confusion_curves_and_examples_are_those_of_the_whole_page(one_row):
    whole, own = one_row.page(), row_page(one_row)
    assert confusion(own) == confusion(whole)
    assert len(curves(own)) > 4
    assert curves(own) == curves(whole)
    assert len(pictures(own)) == 3 * len(PATCHES)
    assert pictures(own) == pictures(whole)


def test_the_page_is_repeatable_loads_nothing_and_is_closed(one_row):
    text = row_page(one_row)
    assert text == row_page(one_row)
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    titles = [element.words() for element in read(text).all("h2")]
    assert titles == ["Land cover (COSIA)"]


def test_without_a_label_no_errors_are_claimed(one_row):
    text = row_page(one_row, labels=False)
    assert [alt.partition(" ")[0] for _, alt in pictures(text)] == ["Prediction"] * len(PATCHES)
    assert "scored pixels right" not in text
    assert "predicted only" not in text


def test_given_weights_have_no_curve(one_row):
    details = one_row.sources().row("LC-A").details
    text = render_row_page("LC-A", details)
    assert "Training of" not in text
    assert confusion(text) == confusion(one_row.page())
