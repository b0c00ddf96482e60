import pytest

from coreset_cli.training.fidelity import integrated_fidelity

BUDGETS = [0.001, 0.01, 0.05, 0.1, 0.2, 0.3, 0.5]


PUBLISHED = """
random        21.5 36.8 64.7 74.4 82.5 87.4 91.4  0.65
herding       20.0 34.8 50.8 62.6 74.2 80.4 88.3  0.58
k-center      18.2 30.6 49.8 74.9 85.6 90.2 93.4  0.62
facility-loc  22.4 39.3 60.6 74.4 85.2 91.3 93.9  0.66
graph-cut     24.2 42.8 65.5 76.6 84.1 87.7 93.3  0.68
ctx-diversity 14.9 23.1 37.6 58.9 80.8 90.4 94.0  0.55
craig         22.5 31.0 44.5 61.1 79.4 88.5 93.2  0.59
gradmatch     17.1 30.9 47.1 61.7 80.0 87.4 93.0  0.58
least-conf    14.2 19.9 36.0 57.2 81.8 90.1 94.5  0.54
entropy       14.5 21.0 35.1 57.2 81.4 89.6 94.3  0.54
margin        17.3 26.9 43.6 59.4 81.7 90.0 93.9  0.57
deepfool      17.3 27.1 43.0 60.6 83.2 90.0 94.0  0.58
cal           22.3 37.5 60.1 71.2 80.7 86.4 89.3  0.64
forgetting    21.2 35.2 52.0 66.9 86.1 91.5 94.0  0.63
grand         17.5 26.2 40.1 52.9 78.3 91.1 94.6  0.55
tdds          10.3 24.3 48.4 68.1 82.4 87.6 91.8  0.57
glister       19.8 32.6 50.9 66.0 84.7 90.8 93.9  0.62
elfs          17.3 32.2 57.2 78.4 86.2 87.1 88.8  0.63
echo          65.6 75.2 86.4 89.4 92.5 93.8 95.2  0.88
"""
"""ECHO's table of CIFAR-10: accuracy in percent at each budget, then the score."""


@pytest.mark.parametrize("line", PUBLISHED.split("\n")[1:-1], ids=lambda line: line.split()[0])
def test_published_rows_have_their_scores(line):
    *accuracies, score = map(float, line.split()[1:])
    assert round(integrated_fidelity(BUDGETS, accuracies, 95.6), 2) == score


def test_a_row_worked_by_hand():
    random = [21.5, 36.8, 64.7, 74.4, 82.5, 87.4, 91.4]
    assert integrated_fidelity(BUDGETS, random, 95.6) == pytest.approx(0.6517, abs=5e-5)


def test_full_accuracy_everywhere_is_one():
    assert integrated_fidelity([0.1, 0.9], [0.8, 0.8], 0.8) == pytest.approx(1.0)
