import pytest

from coreset_cli.training.fidelity import integrated_fidelity

BUDGETS = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5]


@pytest.mark.parametrize(
    ("accuracies", "score"),
    [
        ([21.5, 36.8, 64.7, 74.4, 82.5, 87.4, 91.4], 0.652),
        ([65.6, 75.2, 86.4, 89.4, 92.5, 93.8, 95.2], 0.881),
    ],
)
def test_published_rows_have_their_scores(accuracies, score):
    assert integrated_fidelity(BUDGETS, accuracies, 95.6) == pytest.approx(score, abs=5e-4)


def test_full_accuracy_everywhere_is_one():
    assert integrated_fidelity([0.1, 0.9], [0.8, 0.8], 0.8) == pytest.approx(1.0)
