from dataclasses import replace

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InvalidParameter
from coreset_cli.methods.d2 import D2
from coreset_cli.seeds import Rng
from coreset_cli.selector import choose


def pick(method, rows, scores, k=None, ids=None):
    data = inputs_of(np.array(rows, np.float32).reshape(len(scores), -1), None, ids)
    data = replace(data, scores=np.array(scores, float))
    return choose(method, data, k or len(scores), Rng(0))


def test_a_line_worked_by_hand():
    """u = 1.735759, 2.368003, 1.000247: by score alone 0 would come before 2."""
    found = pick(D2(neighbours=1, distance="raw"), [0, 1, 10], [1, 2, 1])
    assert found.rows.tolist() == [1, 2, 0]
    assert found.scores[0] == pytest.approx(2.368003, abs=1e-4)
    assert found.scores[2] == pytest.approx(1.735759 - 2.368003 / np.e, abs=1e-4)


def test_without_messages_the_order_is_that_of_the_score():
    far = D2(neighbours=1, distance="raw", gamma_forward=1e9, gamma_reverse=1e9)
    assert pick(far, [0, 1, 10], [1, 2, 1]).rows.tolist() == [1, 0, 2]


def test_copies_worked_by_hand():
    """Edges 0–1 and 0–2: u = 4, 3, 2; the pick of 0 takes 4 from both."""
    found = pick(D2(neighbours=1), [5, 5, 5], [1, 2, 1])
    assert found.rows.tolist() == [0, 1, 2]
    assert found.scores.tolist() == [4, -1, -2]


def in_numpy(rows, scores, k, *, m, gamma_forward, gamma_reverse, scaled):
    """The whole method on a dense matrix of float64 distances."""
    n = len(rows)
    lengths = np.linalg.norm(rows[:, None] - rows, axis=2)
    near = np.argsort(lengths + np.diag(np.full(n, np.inf)), axis=1, kind="stable")[:, :m]
    linked = np.zeros((n, n), bool)
    linked[np.arange(n)[:, None], near] = True
    if scaled:
        lengths = lengths / np.median(np.take_along_axis(lengths, near, 1))
    linked |= linked.T
    now = scores + (linked * np.exp(-gamma_forward * lengths)) @ scores
    picks = []
    for _ in range(k):
        now_left = now.copy()
        now_left[picks] = -np.inf
        best = int(now_left.argmax())
        picks.append(best)
        now -= linked[best] * np.exp(-gamma_reverse * lengths[best]) * max(now[best], 0)
    return picks


@pytest.mark.parametrize("distance", ["scaled", "raw"])
@pytest.mark.parametrize(("forward", "reverse"), [(1.0, 1.0), (1.0, 0.1), (0.3, 2.0)])
def test_a_dense_version_picks_the_same(distance, forward, reverse):
    rng = np.random.default_rng(3)
    rows, scores = rng.normal(size=(120, 4)).astype(np.float32), rng.random(120) * 5
    method = D2(distance=distance, gamma_forward=forward, gamma_reverse=reverse, neighbours=4)
    ids = rng.permutation(120).tolist()  # nothing ties, so they decide nothing
    expected = in_numpy(
        rows.astype(float), scores, 60, m=4, gamma_forward=forward, gamma_reverse=reverse,
        scaled=distance == "scaled",
    )  # fmt: skip
    assert pick(method, rows, scores, 60, ids).rows.tolist() == expected


def test_the_unit_of_the_vectors_changes_nothing():
    rng = np.random.default_rng(4)
    rows, scores = rng.normal(size=(60, 3)).astype(np.float32), rng.random(60)
    found = pick(D2(), rows, scores, 20).rows.tolist()
    assert pick(D2(), rows * 1024, scores, 20).rows.tolist() == found
    assert pick(D2(distance="raw"), rows * 1024, scores, 20).rows.tolist() != found


def test_scores_below_zero_are_raised_to_it():
    rng = np.random.default_rng(5)
    rows, scores = rng.normal(size=(40, 3)), rng.integers(0, 9, 40).astype(float)
    scores[0] = 0
    assert pick(D2(), rows, scores - 100).rows.tolist() == pick(D2(), rows, scores).rows.tolist()


def test_the_hardest_are_dropped_first():
    """Without 3, the rows are those of the line worked by hand."""
    method = D2(neighbours=1, distance="raw", beta=0.25)
    assert pick(method, [0, 1, 10, 0.5], [1, 2, 1, 9], 3).rows.tolist() == [1, 2, 0]
    assert set(pick(method, [0, 1, 10, 0.5], [1, 2, 1, 9], 4).rows) == {0, 1, 2, 3}
    assert method.prefix is False


def test_ids_decide_between_equals():
    found = pick(D2(), [0, 0, 0, 0], [1, 1, 1, 1], 4, [8, 6, 7, 5])
    assert found.rows.tolist() == [3, 1, 2, 0]


def test_impossible_settings_are_refused():
    for settings in ({"neighbours": 0}, {"gamma_forward": -1.0}, {"gamma_reverse": np.inf},
                     {"beta": 1.0}):  # fmt: skip
        with pytest.raises(InvalidParameter, match=next(iter(settings))):
            D2(**settings)
