"""The class of a pixel, ties included."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from flairhub.inference.classes import classes_of


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_the_first_of_equal_scores_in_every_layout(dtype, layout):
    """NumPy's argmax promises the first of equals."""
    scores = torch.randint(0, 4, (3, 19, 33, 21)).to(dtype).contiguous(memory_format=layout)
    found = classes_of(scores)
    assert found.dtype == torch.uint8
    assert (found.numpy() == scores.double().numpy().argmax(axis=1)).all()
    assert len(np.unique(found)) > 5


def test_the_class_does_not_depend_on_the_part_of_the_scores():
    scores = torch.randint(0, 3, (2, 23, 40, 40)).float()
    assert torch.equal(classes_of(scores[..., 7:31, 3:39]), classes_of(scores)[..., 7:31, 3:39])
