"""A row's own page shows of it what the page of all rows shows, to the letter."""

from __future__ import annotations

import re

import pytest
from tests.page_repository import PATCHES, PageRepository
from tests.report.page.test_build import read
from tests.report.page.test_examples import ROWS
from tests.world import sample_params

from flairhub.catalog.taxonomies import COSIA
from flairhub.report.page.row_page import Example, render_row_page


@pytest.fixture(scope="module")
def repository(make_page) -> PageRepository:
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


def test_confusion_curves_and_examples_are_those_of_the_whole_page(repository):
    whole, own = repository.page(), row_page(repository)
    assert confusion(own) == confusion(whole)
    assert len(curves(own)) > 4
    assert curves(own) == curves(whole)
    assert len(pictures(own)) == 3 * len(PATCHES)
    assert pictures(own) == pictures(whole)


def test_the_page_is_repeatable_loads_nothing_and_is_closed(repository):
    text = row_page(repository)
    assert text == row_page(repository)
    assert not re.search(r'(?:src|href)="(?!data:|#)', text)
    titles = [element.words() for element in read(text).all("h2")]
    assert titles == ["Land cover (COSIA)"]


def test_without_a_label_no_errors_are_claimed(repository):
    text = row_page(repository, labels=False)
    assert [alt.partition(" ")[0] for _, alt in pictures(text)] == ["Prediction"] * len(PATCHES)
    assert "scored pixels right" not in text
    assert "predicted only" not in text


def test_given_weights_have_no_curve(repository):
    details = repository.sources().row("LC-A").details
    text = render_row_page("LC-A", details)
    assert "Training of" not in text
    assert confusion(text) == confusion(repository.page())
