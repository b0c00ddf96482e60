"""What the theory promises, on clouds small enough to check it in seconds."""

import numpy as np
import pytest
from clouds import inputs_of, median_of, points_of

from coreset_cli.commands.register import make_method
from coreset_cli.compose.keep import ByScore
from coreset_cli.kernels.coordinate import mean
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.methods.random import Random
from coreset_cli.seeds import Rng
from coreset_cli.selector import Score, choose

BUDGETS = [8, 16, 32, 64, 128]
"""In few dimensions the first picks of matching are better than 1/k; in 16 the law is plain."""


def slope(errors):
    return np.polyfit(np.log(BUDGETS), np.log(errors), 1)[0]


def errors(method, rows, target, seed):
    picks = choose(method, inputs_of(rows), BUDGETS[-1], Rng(seed)).rows
    return [np.linalg.norm(rows[picks[:k]].mean(0) - target) for k in BUDGETS]


@pytest.mark.parametrize(
    ("method", "expected"), [(Random(), -0.5), (Gm(match="l2"), -1.0), (Herding(), -1.0)]
)
def test_error_falls_with_the_picks(method, expected):
    found = []
    for seed in range(5):
        rows = np.random.default_rng(seed).normal(size=(3000, 16)).astype(np.float32)
        centre = median_of(points_of(rows)).point if isinstance(method, Gm) else None
        target = rows.astype(float).mean(0) if centre is None else centre.numpy()
        found.append(errors(method, rows, target, seed))
    assert slope(np.exp(np.log(found).mean(0))) == pytest.approx(expected, abs=0.12)


def test_the_median_stays_where_the_mean_goes():
    """At 10⁶ radii the mean follows the attack in proportion, the geometric median does not."""
    clean = np.random.default_rng(0).normal(size=(1000, 8))
    spread = np.linalg.norm(clean, axis=1).mean()
    shares = [0.0, 0.1, 0.2, 0.3, 0.4, 0.45]
    medians, means = [], []
    for share in shares:
        rows = clean.copy()
        rows[: int(1000 * share)] = 1e6 * spread
        data = points_of(rows.astype(np.float32))
        medians.append(np.linalg.norm(median_of(data).point.numpy()))
        means.append(np.linalg.norm(mean(data).numpy()))
    bounds = [2 * (1 - share) / (1 - 2 * share) * spread for share in shares]
    assert all(error <= bound for error, bound in zip(medians, bounds, strict=True))
    assert medians[-1] < 5 * spread
    assert means[-1] > 1e5 * spread


def toy(share, seed):
    """The 2-D cloud of the papers: the far cluster first, 1,000 rows in all."""
    rng = np.random.default_rng(seed)
    angle = np.deg2rad(30)
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    rows = rng.normal(size=(1000, 2)) * [2, 1] @ turn
    bad = int(share * 1000)
    rows[:bad] = rng.normal(size=(bad, 2)) * 0.5 + 8
    return rows.astype(np.float32), bad


TABLE = [
    ("easy", {}, 0.00, 0.00),
    ("hard", {}, 0.99, 0.15),
    ("herding", {"match": "l2"}, 0.00, 0.29),
    ("herding", {"match": "dot"}, 0.35, 0.54),
    ("gm", {"match": "l2"}, 0.00, 0.05),
    ("gm", {"match": "dot"}, 0.25, 0.38),
    ("gm", {"match": "cosine"}, 0.69, 0.95),
]
"""Shares of corrupted rows among the picks that the specification measured: 20 % and 45 % bad."""


@pytest.mark.parametrize(("name", "parameters", "low", "high"), TABLE)
def test_share_of_corrupted_rows_in_the_toy(name, parameters, low, high):
    method = make_method(name, parameters)
    selector = ByScore(method=method) if isinstance(method, Score) else method
    for share, expected in ((0.2, low), (0.45, high)):
        found = []
        for seed in range(3):
            rows, bad = toy(share, seed)
            found.append((choose(selector, inputs_of(rows), 100, Rng(seed)).rows < bad).mean())
        assert np.mean(found) == pytest.approx(expected, abs=0.1)


def test_without_corruption_gm_is_nearly_herding():
    rows, _ = toy(0.0, 0)
    data = inputs_of(rows)
    picks = [choose(m, data, 100, Rng(0)).rows for m in (Gm(match="l2"), Herding())]
    assert np.linalg.norm(rows[picks[0]].mean(0) - rows[picks[1]].mean(0)) < 0.1
