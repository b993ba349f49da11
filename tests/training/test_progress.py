from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from flairhub.config.recipe import Recipe
from flairhub.training.progress import Progress, kept_step


def test_kept_steps_are_all_below_a_thousand_then_round_ones() -> None:
    kept = [step for step in range(1, 120_001) if kept_step(step)]
    assert kept[:999] == list(range(1, 1000))
    assert kept[999:1899] == list(range(1000, 10_000, 10))
    assert kept[1899:2799] == list(range(10_000, 100_000, 100))
    assert kept[2799:] == list(range(100_000, 120_001, 1000))


def test_step_of_several_batches_has_their_mean_loss() -> None:
    progress = Progress()
    for loss in (1.0, 2.0, 6.0):
        progress.add_loss(loss)
    assert progress.end_step(7) == pytest.approx(3.0)
    progress.add_loss(0.5)
    assert progress.end_step(1001) is None  # not a kept one
    progress.add_loss(0.25)
    assert progress.end_step(1010) == 0.25
    assert progress.steps == [(7, 3.0), (1010, 0.25)]
    assert progress.loss_count == 5


def test_curve_over_steps_survives_a_checkpoint(tmp_path: Path) -> None:
    progress, other = Progress(), Progress()
    progress.add_loss(0.1)
    progress.end_step(1)
    other.restore(progress.state())
    other.add_loss(3.0)
    other.end_step(2)
    other.step_curve.write(tmp_path / "steps.csv")
    assert (tmp_path / "steps.csv").read_text() == "step,train.loss\n1,0.1\n2,3\n"


def validations(scores: list[float | None], recipe_of: Callable[..., Recipe]) -> Progress:
    """A training whose epochs had these scores."""
    progress, params = Progress(), recipe_of("LC-A", train={"validate_every": 1, "plateau_patience": 1}).train
    for epoch, score in enumerate(scores):
        progress.end_epoch(epoch, epoch + 1, 0.1)
        progress.validated(epoch, score, {"valid.miou": score}, params)
    return progress


@pytest.mark.parametrize(
    ("scores", "best"),
    [
        ([10.0, 20.0, 20.0, 15.0], 1),
        ([None, None, None], 2),  # nothing ranks them: the weights trained longest
        ([None, 0.0, None], 1),  # any number is more than none
        ([10.0, None, 5.0], 0),
    ],
)
def test_the_best_epoch_where_scores_are_undefined(
    scores: list[float | None], best: int, recipe_of: Callable[..., Recipe]
) -> None:
    progress = validations(scores, recipe_of)
    assert (progress.best_epoch, progress.best_valid) == (best, {"valid.miou": scores[best]})


def test_an_undefined_score_is_no_lack_of_progress(recipe_of: Callable[..., Recipe]) -> None:
    assert validations([10.0, None, None, None, None], recipe_of).reductions == 0
    assert validations([10.0, 9.0, 9.0, 9.0, 9.0], recipe_of).reductions > 0
