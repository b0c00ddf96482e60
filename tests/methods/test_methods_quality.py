"""Rounding to the grid costs no quality: matching in float64 on the raw rows does no better."""

import numpy as np
import pytest
from clouds import drawn, inputs_of

from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.herding import Herding
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose

METHODS = {
    "gm l2": Gm(match="l2"),
    "gm dot": Gm(match="dot"),
    "gm cosine": Gm(match="cosine"),
    "herding l2": Herding(match="l2"),
    "herding cosine": Herding(match="cosine"),
}

CLOUDS = {
    "isotropic": (2000, 64),
    "power law": (2000, 256),
    "blobs": (2000, 48),
    "heavy tails": (2000, 16),
    "gross outliers": (2000, 32),
    "bytes": (2000, 32),
    "binary": (2000, 32),
    "offset": (2000, 16),
    "half equal": (2000, 16),
    "far": (2000, 16),
    "tiny": (1000, 24),
    "huge": (1000, 24),
}

REAL = {
    "clip 512": ("clip-text-2148x512.npy", 2148),
    "resnet 64": ("cifar10-resnet56-64-test.npy", 3000),
    "mobilenet 1280": ("cifar10n-mobilenetv2-1280-test2k.parquet", 1200),
}


def weiszfeld(rows):
    """The geometric median in float64."""
    point = np.median(rows, axis=0)
    for _ in range(2000):
        away = np.linalg.norm(rows - point, axis=1)
        weight = 1 / np.maximum(away, 1e-12 * away.mean())
        last, point = point, weight @ rows / weight.sum()
        if np.linalg.norm(point - last) <= 1e-10 * away.mean():
            break
    return point


def greedily(rows, target, k, rule):
    """Matching in float64: the nearest to θ, or the largest inner product with it."""
    theta, left, picks = target, np.zeros(len(rows)), []
    square = (rows * rows).sum(1) if rule == "l2" else 0
    for _ in range(k):
        value = 2 * rows @ theta - square + left
        picks.append(int(value.argmax()))
        left[picks[-1]] = -np.inf
        theta = theta + target - rows[picks[-1]]
    return picks


def seen(rows, method):
    """Rows and target as the rule sees them."""
    rows = rows.astype(float)
    target = rows.mean(0) if isinstance(method, Herding) else weiszfeld(rows)
    if method.match != "cosine":
        return rows, target
    return rows / np.linalg.norm(rows, axis=1, keepdims=True), target / np.linalg.norm(target)


def path(rows, target, picks):
    """Mean over the picks of t · ‖mean of the first t − target‖.

    Two paths part where a near-tie goes the other way, and at one single t either may then be the
    better by a third in few dimensions; over all t they are alike.
    """
    return np.linalg.norm(np.cumsum(rows[picks] - target, axis=0), axis=1).mean()


def assert_no_worse(rows, method):
    k = len(rows) // 10
    picks = choose(method, inputs_of(rows), k, Rng(0)).rows
    exact, target = seen(rows, method)
    reference = greedily(exact, target, k, "l2" if method.match == "l2" else "dot")
    assert path(exact, target, picks) <= 1.05 * path(exact, target, reference)
    if rows.shape[1] >= 512:
        ends = [np.linalg.norm(exact[rows].mean(0) - target) for rows in (picks, reference)]
        assert ends[0] <= 1.05 * ends[1]


methods = pytest.mark.parametrize("method", METHODS.values(), ids=METHODS)


@methods
@pytest.mark.parametrize("kind", CLOUDS)
def test_no_worse_than_float64(kind, method):
    assert_no_worse(drawn(kind, *CLOUDS[kind]), method)


@methods
def test_no_worse_than_float64_on_long_rows(method):
    assert_no_worse(drawn("isotropic", 300, 8192), method)


@methods
@pytest.mark.parametrize("name", REAL)
def test_no_worse_than_float64_on_real_vectors(name, method, real_data):
    file, n = REAL[name]
    matrix = open_embeddings([str(real_data / "embeddings" / file)]).matrix
    assert_no_worse(matrix.read(0, n).astype(np.float32), method)


@pytest.mark.parametrize("kind", CLOUDS)
def test_the_median_takes_few_steps_to_where_float64_ends(kind):
    rows = drawn(kind, *CLOUDS[kind])
    facts = choose(Gm(), inputs_of(rows), 1, Rng(0)).facts
    point = weiszfeld(rows.astype(float))
    spread = np.linalg.norm(rows - point, axis=1).mean()
    assert facts["median_iterations"] <= 12
    assert facts["median_objective"] == pytest.approx(spread, rel=1e-4)
