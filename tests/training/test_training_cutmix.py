"""Boxes that pictures take from one another, and the labels that come with them."""

import numpy as np
import torch
from torch.nn import functional

from coreset_cli.training.cutmix import Patch, draw_patch, patched, patched_loss


def a_patch() -> Patch:
    return Patch(partner=torch.tensor([2, 0, 1]), rows=(1, 3), columns=(0, 3))


def test_a_box_comes_from_the_partner_and_the_rest_stays() -> None:
    pictures = torch.arange(3.0)[:, None, None, None].expand(3, 2, 4, 5).contiguous()
    before = pictures.clone()
    expected = before.clone().numpy()
    expected[:, :, 1:3, 0:3] = np.array([2.0, 0.0, 1.0])[:, None, None, None]
    np.testing.assert_array_equal(patched(pictures, a_patch()).numpy(), expected)
    assert torch.equal(pictures, before)


def test_the_loss_is_that_of_labels_mixed_by_pixels() -> None:
    logits = torch.randn(3, 4, generator=torch.Generator().manual_seed(0))
    targets = torch.tensor([0, 3, 3])
    share = 6 / 20
    soft = torch.zeros(3, 4)
    for row, (own, partner) in enumerate(zip([0, 3, 3], [3, 0, 3], strict=True)):
        soft[row, own] += 1 - share
        soft[row, partner] += share
    found = patched_loss(logits, targets, a_patch(), size=(4, 5))
    torch.testing.assert_close(found, functional.cross_entropy(logits, soft))


def test_boxes_lie_inside_and_take_a_share_that_is_uniform_but_for_the_border() -> None:
    """A box inside takes a share u of the pixels; cut off at the border, less; never more."""
    generator = torch.Generator().manual_seed(0)
    shares = []
    for _ in range(2000):
        patch = draw_patch(rows=4, size=(32, 16), generator=generator)
        (top, bottom), (left, right) = patch.rows, patch.columns
        assert 0 <= top <= bottom <= 32
        assert 0 <= left <= right <= 16
        assert sorted(patch.partner.tolist()) == [0, 1, 2, 3]
        shares.append((bottom - top) * (right - left) / 512)
    # E[u · (1 - √u/4)²], as a span of length s centred uniformly keeps s(1 - s/4) on the mean.
    u = np.linspace(0, 1, 10_001)
    expected = float(np.mean(u * (1 - np.sqrt(u) / 4) ** 2))
    assert abs(np.mean(shares) - expected) < 0.04
    assert max(shares) > 0.7


def test_draws_depend_on_the_generator_alone() -> None:
    both = [
        draw_patch(rows=9, size=(8, 8), generator=torch.Generator().manual_seed(7))
        for _ in range(2)
    ]
    assert both[0].rows == both[1].rows
    assert both[0].columns == both[1].columns
    assert torch.equal(both[0].partner, both[1].partner)
