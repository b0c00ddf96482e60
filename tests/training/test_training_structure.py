"""The loss of pairs against pairs written out, cases worked by hand, and finite differences."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.training.structure import structure_loss


def tensors(outputs, targets, weights=None):
    given_ = None if weights is None else torch.tensor(weights, dtype=torch.float32)
    return torch.tensor(outputs, dtype=torch.float64), torch.tensor(targets), given_


def by_pairs(outputs, targets, margin, weights=None):
    """Over ordered pairs, each on its own."""
    outputs = np.array(outputs, float)
    weights = np.ones(len(targets)) if weights is None else weights
    parts = {True: [], False: []}
    for i in range(len(targets)):
        for j in range(len(targets)):
            if i != j:
                same, square = targets[i] == targets[j], ((outputs[i] - outputs[j]) ** 2).sum()
                value = square if same else max(0.0, margin - np.sqrt(square + 1e-12))
                parts[same].append((weights[i] * weights[j], value))
    found = [np.transpose(part) for part in parts.values() if part]
    return sum((weight * value).sum() / weight.sum() for weight, value in found)


@pytest.mark.parametrize("margin", [0.0, 0.5, 1.0, 4.0])
@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_mean_over_pairs(margin, weighted):
    rng = np.random.default_rng(0)
    outputs, targets = rng.normal(size=(17, 4)), rng.integers(0, 3, 17)
    weights = rng.uniform(0, 5, 17).round(2) if weighted else None
    found, codes, scale = tensors(outputs, targets, weights)
    expected = by_pairs(outputs, targets, margin, weights)
    assert float(structure_loss(found, codes, margin=margin, weights=scale)) == pytest.approx(
        expected, rel=1e-6, abs=1e-9
    )


def test_three_rows_worked_by_hand():
    """Rows 0 and 1 of one class are √0.5 apart; row 2 is 0.6 from the first, √0.26 from the second.

    Near: 0.5. Far: (1 − 0.6 + 1 − 0.5099)/2 = 0.44505.
    """
    outputs = [[0.0, 0.0], [0.5, 0.5], [0.6, 0.0]]
    found, codes, _ = tensors(outputs, [0, 0, 1])
    value = float(structure_loss(found, codes, margin=1.0))
    assert value == pytest.approx(0.5 + (2 - 0.6 - 0.26**0.5) / 2, rel=1e-9)
    # Twice row 1: the pair (0, 1) is the only near one; far pairs weigh 1 and 2.
    heavy = torch.tensor([1.0, 2.0, 1.0])
    value = float(structure_loss(found, codes, margin=1.0, weights=heavy))
    assert value == pytest.approx(0.5 + (0.4 + 2 * (1 - 0.26**0.5)) / 3, rel=1e-7)


def test_rows_beyond_the_margin_are_left_alone():
    found, codes, _ = tensors([[0.0, 0.0], [0.0, 2.0]], [0, 1])
    found.requires_grad_()
    near = structure_loss(found, codes, margin=1.9)
    (slope,) = torch.autograd.grad(near, found)
    assert near.item() == 0
    assert not slope.any()
    wide = structure_loss(found, codes, margin=2.5)
    (slope,) = torch.autograd.grad(wide, found)
    assert wide.item() == pytest.approx(0.5)
    # Not squared: the slope is 1 whatever the distance.
    np.testing.assert_allclose(slope, [[0.0, 1.0], [0.0, -1.0]], rtol=1e-9)


@pytest.mark.parametrize(
    ("targets", "expected"),
    [([0], 0.0), ([0, 0], 2.0), ([0, 1], 2 - 2**0.5), ([2, 0, 1], 2 * (2 - 2**0.5) / 3)],
)
def test_a_mean_of_no_pairs_is_left_out(targets, expected):
    outputs = [[0.0, 0.0], [1.0, 1.0], [-1.0, 1.0]][: len(targets)]
    found, codes, _ = tensors(outputs, targets)
    found.requires_grad_()
    value = structure_loss(found, codes, margin=2.0)
    assert value.item() == pytest.approx(expected, rel=1e-6)
    value.backward()
    assert found.grad.isfinite().all()


def test_rows_without_weight_make_no_pairs():
    found, codes, nothing = tensors([[0.0], [1.0], [5.0]], [0, 1, 1], [0.0, 0.0, 0.0])
    found.requires_grad_()
    value = structure_loss(found, codes, margin=1.0, weights=nothing)
    value.backward()
    assert value.item() == 0
    assert not found.grad.any()
    one = torch.tensor([1.0, 0.0, 1.0])
    assert structure_loss(found, codes, margin=9.0, weights=one).item() == pytest.approx(4.0)


def test_equal_rows_have_a_finite_slope():
    for dtype in (torch.float32, torch.float64):
        found = torch.ones((6, 3), dtype=dtype, requires_grad=True)
        value = structure_loss(found, torch.tensor([0, 0, 0, 1, 1, 2]), margin=1.0)
        value.backward()
        assert value.item() == pytest.approx(1 - 1e-6, abs=4e-7)
        assert not found.grad.any()


def test_near_rows_far_from_zero_keep_their_distance():
    """A product of rows of length 1000 knows their distance to 0.1 at best."""
    found = torch.tensor([[1000.0, 0.0], [1000.0, 0.0625]], requires_grad=True)
    value = structure_loss(found, torch.tensor([0, 1]), margin=1.0)
    assert value.item() == pytest.approx(1 - 0.0625, rel=1e-6)


rows = st.lists(
    st.tuples(st.integers(-8, 8), st.integers(-8, 8), st.integers(0, 2)),
    min_size=2,
    max_size=7,
    unique_by=lambda row: row[:2],
)


@settings(max_examples=25, deadline=None)
@given(rows, st.floats(0.3, 3.0), st.booleans())
def test_slopes_are_those_of_finite_differences(values, margin, weighted):
    outputs = np.array([row[:2] for row in values]) / 4.0
    targets = [row[2] for row in values]
    # Off the kinks, where two rows lie at the margin exactly.
    away = np.linalg.norm(outputs[:, None] - outputs, axis=2)
    margin += 1e-3 * bool((np.abs(away - margin) < 1e-4).any())
    weights = np.arange(1.0, len(values) + 1) if weighted else None
    found, codes, scale = tensors(outputs, targets, weights)
    found.requires_grad_()
    structure_loss(found, codes, margin=margin, weights=scale).backward()
    step = 1e-6
    for i in range(len(values)):
        for d in range(2):
            ends = []
            for sign in (1, -1):
                moved = outputs.copy()
                moved[i, d] += sign * step
                ends.append(by_pairs(moved, targets, margin, weights))
            expected = (ends[0] - ends[1]) / (2 * step)
            assert float(found.grad[i, d]) == pytest.approx(expected, abs=2e-5)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_finds_the_same_and_the_same_again():
    rng = np.random.default_rng(0)
    outputs, codes, scale = tensors(
        rng.normal(size=(256, 10)), rng.integers(0, 10, 256), rng.random(256)
    )
    found = []
    for device in ("cpu", "cuda", "cuda"):
        here = outputs.float().to(device).requires_grad_()
        value = structure_loss(here, codes.to(device), margin=3.0, weights=scale.to(device))
        value.backward()
        found.append(torch.cat([here.grad.flatten(), value.detach()[None]]).cpu())
    torch.testing.assert_close(found[1], found[0], rtol=1e-4, atol=1e-6)
    assert torch.equal(found[1], found[2])
