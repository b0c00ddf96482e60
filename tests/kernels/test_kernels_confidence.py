"""Confidence in neighbourhoods: worked by hand, and written out."""

import numpy as np
import pytest
from clouds import ignore, points_of

from coreset_cli.kernels.confidence import filled

ANGLE = np.arccos(2 * 0.98 - 1)
THREE = [[1, 0], [np.cos(ANGLE), np.sin(ANGLE)], [0, -5]]


def fill(rows, confidence, k, ids=None, threshold=0.975, temperature=1.0):
    return filled(
        points_of(rows, ids).unit(),
        np.asarray(confidence, float),
        k,
        threshold=threshold,
        temperature=temperature,
        progress=ignore,
    )


def test_hand_worked_case():
    rows, gains = fill(THREE, [0.9, 0.8, 0.5], 3)
    assert rows.tolist() == [0, 2, 1]
    assert gains == pytest.approx([0.7163, 0.4621, 0.2257], abs=5e-5)


def plain(rows, confidence, k, threshold, temperature):
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    similarity = (1 + unit @ unit.T) / 2
    given, picks = np.zeros(len(rows)), []
    for _ in range(k):
        gains = np.tanh((given + confidence) / temperature) - np.tanh(given / temperature)
        gains[picks] = -1
        picks.append(int(gains.argmax()))
        column = similarity[picks[-1]]
        given += confidence[picks[-1]] * column * (column > threshold)
    return picks


@pytest.mark.parametrize("threshold", [0.6, 0.8, 0.95])
@pytest.mark.parametrize("temperature", [0.7, 20.0])
def test_picks_are_those_written_out(threshold, temperature):
    rng = np.random.default_rng(0)
    rows, confidence = rng.normal(size=(120, 3)), rng.uniform(0.3, 1, 120)
    rows = rows.astype(np.float32)
    found, _ = fill(rows, confidence, 25, threshold=threshold, temperature=temperature)
    assert found.tolist() == plain(rows, confidence, 25, threshold, temperature)


def test_without_neighbours_confidence_ranks():
    rng = np.random.default_rng(1)
    rows, confidence = rng.normal(size=(60, 3)), rng.uniform(0.3, 1, 60)
    expected = np.argsort(-confidence).tolist()
    assert fill(rows, confidence, 60, threshold=1.0)[0].tolist() == expected
    assert fill(rows, confidence, 60, temperature=1e5)[0].tolist() == expected


def test_full_neighbourhoods_are_still_told_apart():
    rows = np.ones((900, 2))
    confidence = np.linspace(0.5, 1, 900)
    found, gains = fill(rows, confidence, 900)
    assert found.tolist() == np.argsort(-confidence).tolist()
    assert gains[0] == pytest.approx(np.tanh(1))
    assert (np.diff(gains) <= 0).all()


def test_equal_rows_go_by_id_and_zero_rows_have_no_neighbours():
    assert fill(np.ones((5, 3)), np.full(5, 0.5), 5, [9, 7, 5, 3, 1])[0].tolist() == [4, 3, 2, 1, 0]
    rows, gains = fill(np.zeros((3, 3)), [0.5, 0.6, 0.7], 3)
    assert rows.tolist() == [2, 1, 0]
    assert gains == pytest.approx(np.tanh([0.7, 0.6, 0.5]))
