"""Views: undone exactly, averaged as probabilities."""

from __future__ import annotations

import pytest
import torch

from flairhub.data.batch import Batch
from flairhub.inference.views import FLIPS, PLAIN, TURNS, View, at_scales, averaged_logits
from flairhub.models.network import NetworkOutput


def network(inputs, dates, valid, size):
    """Pixelwise: classes from the value; and a part that depends on the place."""
    x = inputs["AERIAL_RGBI"][:, :1]
    x = torch.nn.functional.interpolate(x, size, mode="nearest")
    return NetworkOutput({"T": torch.cat([x, 1 - x, torch.linspace(0, 1, size[1]).expand_as(x)], dim=1)})


@pytest.mark.parametrize("view", TURNS)
def test_a_view_is_undone(view: View):
    x = torch.arange(2 * 16.0).reshape(1, 2, 4, 4)
    assert torch.equal(view.undone(view.seen(x)), x)


def test_eight_different_symmetries():
    x = torch.arange(9.0).reshape(3, 3)
    assert len({tuple(view.seen(x).flatten().tolist()) for view in TURNS}) == 8
    assert {tuple(view.seen(x).flatten().tolist()) for view in FLIPS} == {
        tuple(y.flatten().tolist()) for y in (x, x.flip(-1), x.flip(-2), x.flip(-1, -2))
    }


def test_probabilities_are_averaged():
    x = torch.rand(2, 1, 6, 6)
    batch = Batch(patch_ids=("a", "b"), inputs={"AERIAL_RGBI": x})
    found = averaged_logits(network, batch, (6, 6), FLIPS)["T"].softmax(dim=1)
    place = torch.linspace(0, 1, 6).expand(2, 1, 6, 6)
    means = [torch.cat([x, 1 - x, p], dim=1).softmax(dim=1) for p in (place, place.flip(-1))]
    assert torch.allclose(found, (means[0] + means[1]) / 2, atol=1e-6)


def test_one_plain_view_changes_no_class():
    x = torch.rand(1, 1, 8, 8)
    batch = Batch(patch_ids=("a",), inputs={"AERIAL_RGBI": x})
    plain = network({"AERIAL_RGBI": x}, {}, {}, (8, 8)).logits["T"]
    assert torch.equal(averaged_logits(network, batch, (8, 8), [PLAIN])["T"].argmax(1), plain.argmax(1))


def test_scales_change_mono_dates_alone():
    view = at_scales([PLAIN], [0.5])[0]
    assert view.seen(torch.rand(1, 3, 8, 8)).shape == (1, 3, 4, 4)
    assert view.seen(torch.rand(1, 5, 3, 8, 8)).shape == (1, 5, 3, 8, 8)
