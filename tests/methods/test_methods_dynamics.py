"""Scores of a training's history: cases worked by hand, NumPy, autograd."""

import numpy as np
import pytest
import torch
from clouds import inputs_of, with_signals

from coreset_cli.artifacts.dynamics import Snapshot
from coreset_cli.errors import InvalidParameter, NotFinite
from coreset_cli.methods.aum import Aum
from coreset_cli.methods.dual import Dual
from coreset_cli.methods.dyn_unc import DynUnc
from coreset_cli.methods.el2n import El2n
from coreset_cli.methods.forgetting import Forgetting
from coreset_cli.methods.grand import Grand
from coreset_cli.methods.tdds import Tdds
from coreset_cli.seeds import Rng

RNG = Rng(0)
P_TRUE = [[0.1, 0.5, 0.9, 0.3], [0.4, 0.4, 0.4, 0.4]]


def rows(n):
    return inputs_of(np.zeros((n, 1), np.float32))


def histories(**series):
    return with_signals(rows(len(next(iter(series.values())))), **series)


def pictured(shot, targets):
    return with_signals(rows(len(targets)), shot=shot, targets=targets)


def forgetting_data(correct, margin=None):
    correct = np.array(correct, bool)
    p_true = np.where(correct, 0.9, 0.1)
    return histories(correct=correct, p_true=p_true, margin=p_true if margin is None else margin)


def picture(h, logits, weight):
    return Snapshot(
        epoch=1,
        logits=np.float32(logits),
        feature=np.float32(h),
        weight=np.float32(weight),
        bias=np.zeros(len(weight), np.float32),
    )


def test_forgetting_counts_of_the_document():
    events = {(0, 1, 1, 0, 1, 0): 2, (1, 1, 1, 1, 1, 1): 0, (1, 0, 0, 0, 0, 0): 1}
    data = forgetting_data([*events, (0, 0, 0, 0, 0, 0)])
    found = Forgetting().select(data, 4, RNG)
    assert found.rows.tolist() == [3, 0, 2, 1]
    assert found.scores.tolist() == [np.inf, 2, 1, 0]
    assert Forgetting(keep="low").select(data, 4, RNG).rows.tolist() == [1, 2, 0, 3]


def test_forgetting_ties_go_by_margin_and_then_by_id():
    data = forgetting_data([[1, 1]] * 4, margin=[[2, 2], [1, 1], [2, 2], [3, 3]])
    assert Forgetting().select(data, 4, RNG).rows.tolist() == [1, 0, 2, 3]
    assert Forgetting(keep="low").select(data, 4, RNG).rows.tolist() == [3, 0, 2, 1]


def test_forgetting_passes_over_epochs_in_which_a_row_was_not_shown():
    correct, p_true = [[1, 0, 0, 1]], [[0.9, np.nan, np.nan, 0.9]]
    data = histories(correct=correct, p_true=p_true, margin=p_true)
    assert Forgetting().select(data, 1, RNG).scores.tolist() == [0]


def test_aum_is_the_mean_margin():
    data = histories(margin=[[1, -3]], margin_prob=[[0.4, -0.8]])
    assert Aum().score(data, RNG).tolist() == [-1]
    assert Aum(margin="prob").score(data, RNG) == pytest.approx([-0.2])
    assert Aum().keep == "low"


def test_a_row_that_was_never_shown_is_refused():
    with pytest.raises(NotFinite, match="1 of 2 rows were never shown"):
        Aum().score(histories(margin=[[1, 2], [np.nan, np.nan]]), RNG)


def test_dyn_unc_and_dual_of_the_document():
    data = histories(p_true=P_TRUE)
    spread = DynUnc(window=3).score(data, RNG)
    assert spread == pytest.approx([0.352753, 0], abs=1e-6)
    found = Dual(window=3).select(data, 2, RNG)
    assert found.rows.tolist() == [0, 1]
    assert found.scores == pytest.approx([0.166193, 0], abs=1e-6)


def test_dual_reads_the_first_epochs_alone():
    p = np.random.default_rng(0).random((20, 40))
    whole = Dual().select(histories(p_true=p), 20, RNG)
    assert whole.rows.tolist() == Dual().select(histories(p_true=p[:, :30]), 20, RNG).rows.tolist()


def test_dual_by_beta_draws_by_weight():
    """Two rows, one drawn, many seeds: how often each comes follows its weight."""
    p = np.array([[0.5, 0.9, 0.7], [0.1, 0.3, 0.2]])
    method = Dual(sample="beta", window=3)
    scores = p.std(1, ddof=1) * (1 - p.mean(1))
    b = 15 * (1 - p.mean()) * (1 - 0.5**4)
    weight = p.mean(1) ** (15 - b) * (1 - p.mean(1)) ** (b - 1) * scores
    data = histories(p_true=p)
    first = [int(method.select(data, 1, Rng(seed)).rows[0]) for seed in range(2000)]
    share = (weight / weight.sum())[1]
    assert np.mean(first) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / 2000))
    assert 0.02 < share < 0.98
    assert not method.prefix


def test_tdds_of_the_document():
    p = np.array([(0.5, 0.5), (0.8, 0.2), (0.6, 0.4), (0.9, 0.1)])
    drift = np.abs(p[1:] * (np.log(p[1:] + 1e-8) - np.log(p[:-1] + 1e-8))).sum(1)
    data = histories(drift=[[np.nan, *drift], [np.nan, 0, 0, 0]])
    assert Tdds(window=3).score(data, RNG) == pytest.approx([0.041123, 0], abs=1e-6)


@pytest.mark.parametrize(
    "method",
    [DynUnc(window=5), Dual(window=5), Tdds(window=5), Tdds(window=2), DynUnc(window=1)],
)
def test_windows_that_do_not_fit_are_refused(method):
    data = histories(p_true=P_TRUE, drift=np.ones((2, 4)))
    run = getattr(method, "score", None) or (lambda data, rng: method.select(data, 1, rng))
    with pytest.raises(InvalidParameter, match="do not fit"):
        run(data, RNG)


def test_a_gap_in_a_history_is_refused():
    with pytest.raises(NotFinite, match="1 of 2 rows were not in every epoch"):
        DynUnc(window=2).score(histories(p_true=[[0.1, np.nan, 0.2], [0.1, 0.2, 0.3]]), RNG)


def test_el2n_and_grand_of_the_document():
    shot = picture([[3, 4]], np.log([[0.7, 0.2, 0.1]]), np.zeros((3, 2)))
    data = pictured(shot, [0])
    assert El2n().score(data, RNG) == pytest.approx([0.374166], abs=1e-6)
    assert Grand().score(data, RNG) == pytest.approx([1.907878], abs=1e-6)


def test_el2n_of_two_classes_and_of_confident_mistakes():
    shot = picture([[0], [0]], [[0, 1], [60, -60]], [[0], [0]])
    data = pictured(shot, [0, 1])
    p = 1 / (1 + np.e)
    assert El2n().score(data, RNG) == pytest.approx([np.sqrt(2) * (1 - p), np.sqrt(2)])


def test_grand_is_the_norm_autograd_finds():
    rng = np.random.default_rng(1)
    weight, h, y = rng.normal(size=(4, 3)), rng.normal(size=(6, 3)), rng.integers(0, 4, 6)
    shot = picture(h, h @ weight.T, weight)
    found = Grand(at="last").score(pictured(shot, y), RNG)
    layer = torch.nn.Linear(3, 4, dtype=torch.float64)
    for row in range(6):
        with torch.no_grad():
            layer.weight.copy_(torch.from_numpy(weight))
            layer.bias.zero_()
        layer.zero_grad()
        logits = layer(torch.from_numpy(h[row : row + 1]))
        torch.nn.functional.cross_entropy(logits, torch.tensor(y[row : row + 1])).backward()
        norm = torch.sqrt((layer.weight.grad**2).sum() + (layer.bias.grad**2).sum())
        assert found[row] == pytest.approx(float(norm), rel=1e-5)


def test_a_network_that_diverged_is_refused():
    shot = picture([[1]], [[np.nan, 0]], [[0], [0]])
    with pytest.raises(NotFinite):
        El2n().score(pictured(shot, [0]), RNG)
