import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.kernels.ranking import ranked


def test_hand_worked():
    distances, rank = np.array([3.2, 2.2, 1.2, 0.2, 6.8]), np.arange(5)
    assert ranked(distances, rank, "low").tolist() == [3, 2, 1, 0, 4]
    assert ranked(distances, rank, "high").tolist() == [4, 0, 1, 2, 3]
    assert ranked(distances, rank, "middle").tolist() == [1, 2, 0, 3, 4]


def test_ties_go_by_id_at_either_end():
    same, rank = np.array([1.0, 1.0 + 1e-12, 1.0]), np.array([2, 0, 1])
    for keep in ("low", "high"):
        assert ranked(same, rank, keep).tolist() == [1, 2, 0]


@given(n=st.integers(1, 30), data=st.data())
def test_middle_is_the_window_of_ranks(n, data):
    k = data.draw(st.integers(1, n))
    scores = np.random.default_rng(n).permutation(n).astype(float)
    low = (n - k) // 2
    kept = ranked(scores, np.arange(n), "middle")[:k]
    assert sorted(scores[kept]) == list(range(low, low + k))
