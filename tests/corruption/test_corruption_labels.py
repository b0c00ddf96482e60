from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.corruption.labels import KINDS, LabelOptions, corrupt_labels
from coreset_cli.errors import InvalidParameter

CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer"]
CIFAR10 += ["dog", "frog", "horse", "ship", "truck"]


def labels_of(values):
    return make_labels(pa.array(values), "test")


def noisy(labels, kind, share, *, seed=0, key=None, **options):
    key = key or row_numbers(len(labels)).key()
    options = LabelOptions(**options)
    return corrupt_labels(labels, kind, share=Decimal(share), key=key, seed=seed, options=options)


def random_labels(n, c, seed=0):
    codes = np.random.default_rng(seed).integers(0, c, n)
    return Labels(codes, tuple(map(str, range(c))))


@pytest.mark.parametrize("kind", ["symmetric", "pair-flip", "trid"])
@given(
    st.integers(1, 300),
    st.integers(2, 9),
    st.decimals(0, 1, places=3),
    st.integers(0, 9),
    st.booleans(),
)
@settings(max_examples=30, deadline=None)
def test_counts_are_exact_and_no_label_is_flipped_to_itself(kind, n, c, share, seed, per_class):
    labels = random_labels(n, c, seed)
    before = labels.codes.copy()
    codes, changed = noisy(labels, kind, str(share), seed=seed, per_class=per_class)
    assert changed.sum() == (2 * int(share * 1000) * n + 1000) // 2000
    assert np.array_equal(codes != before, changed)
    assert np.array_equal(labels.codes, before)
    assert codes.dtype == np.int64
    assert ((codes >= 0) & (codes < c)).all()


def test_a_share_is_read_as_a_decimal():
    assert 0.145 * 100 < 14.5
    assert noisy(random_labels(100, 3), "symmetric", "0.145")[1].sum() == 15
    assert noisy(random_labels(50_000, 10), "symmetric", "0.2")[1].sum() == 10_000


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_changed_by_a_share_of_nothing(kind):
    labels = labels_of(list(range(10)) * 3)
    options = {"transition": "cifar10"} if kind == "asymmetric" else {}
    for share in ("0", "0.01"):
        codes, changed = noisy(labels, kind, share, **options)
        assert np.array_equal(codes, labels.codes)
        assert not changed.any()


def transitions(labels, codes):
    c = len(labels.names)
    counts = np.zeros((c, c))
    np.add.at(counts, (labels.codes, codes), 1)
    return counts


@pytest.mark.parametrize("kind", ["symmetric", "symmetric-inclusive", "trid"])
def test_the_matrix_of_transitions_is_that_of_the_definition(kind):
    c, n, r = 5, 40_000, 0.4
    labels = random_labels(n, c)
    codes, changed = noisy(labels, kind, "0.4")
    one = np.eye(c)
    expected = {
        "symmetric": (1 - r) * one + r / (c - 1) * (np.ones((c, c)) - one),
        "symmetric-inclusive": (1 - r) * one + r / c * np.ones((c, c)),
        "trid": (1 - r) * one + r / 2 * (np.roll(one, 1, axis=1) + np.roll(one, -1, axis=1)),
    }[kind]
    rate = r * (c - 1) / c if kind == "symmetric-inclusive" else r
    assert changed.mean() == pytest.approx(rate, abs=0.01)
    found = transitions(labels, codes)
    rows = labels.counts()[:, None]
    possible = expected > 0
    assert not found[~possible].any()
    assert np.abs(found / rows - expected)[possible].max() < 4 * np.sqrt(0.25 / rows.min())


def test_pair_flip_is_the_next_class():
    labels = labels_of(["c", "a", "b", "c", "a"])
    codes, changed = noisy(labels, "pair-flip", "1")
    assert [labels.names[code] for code in codes] == ["a", "b", "c", "a", "b"]
    assert changed.all()
    labels = random_labels(1000, 7)
    codes, changed = noisy(labels, "pair-flip", "0.3")
    assert np.array_equal(codes, (labels.codes + changed) % 7)


def test_two_classes_have_one_other():
    labels = random_labels(200, 2)
    for kind in ("symmetric", "pair-flip", "trid"):
        codes, changed = noisy(labels, kind, "0.5")
        assert np.array_equal(codes, labels.codes ^ changed)


CIFAR_PAIRS = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}
MNIST_PAIRS = {7: 1, 2: 7, 5: 6, 6: 5, 3: 8}


@pytest.mark.parametrize(
    ("names", "transition", "pairs"),
    [
        (None, "cifar10", CIFAR_PAIRS),
        (CIFAR10, "CIFAR-10", CIFAR_PAIRS),
        (None, "mnist", MNIST_PAIRS),
        (None, "9>1, 2>0,4>7,3>5,5>3", CIFAR_PAIRS),
        (CIFAR10, "cat>dog,dog>cat", {3: 5, 5: 3}),
    ],
)
@pytest.mark.parametrize("per_class", [True, False])
def test_asymmetric_takes_one_class_for_another(names, transition, pairs, per_class):
    values = np.random.default_rng(0).integers(0, 10, 1003)
    labels = labels_of([names[v] for v in values] if names else values)
    codes, changed = noisy(labels, "asymmetric", "0.35", transition=transition, per_class=per_class)
    eligible = np.isin(values, list(pairs))
    assert changed.sum() == int(0.35 * eligible.sum() + 0.5)
    assert not changed[~eligible].any()
    assert all(codes[row] == pairs[values[row]] for row in np.flatnonzero(changed))
    assert set(values[changed]) == set(pairs)


def test_per_class_counts_are_shares_of_each_class():
    sizes = [7, 11, 30, 2, 50]
    labels = labels_of(np.repeat(np.arange(5), sizes))
    _, changed = noisy(labels, "symmetric", "0.25", per_class=True)
    # shares 1.75, 2.75, 7.5, 0.5, 12.5; 25 of 100 in all: 1, 2, 7, 0, 12 and three more by fraction
    assert np.bincount(labels.codes[changed]).tolist() == [2, 3, 8, 0, 12]
    _, changed = noisy(labels, "symmetric", "0.25")
    assert changed.sum() == 25


def test_rows_draw_for_themselves():
    labels = random_labels(400, 6)
    key = row_numbers(400).key()
    codes, changed = noisy(labels, "symmetric", "0.3", seed=3)
    order = np.random.default_rng(1).permutation(400)
    again, _ = noisy(labels.take(order), "symmetric", "0.3", seed=3, key=key.take(order))
    assert np.array_equal(again, codes[order])
    more, most = noisy(labels, "symmetric", "0.6", seed=3)
    assert most[changed].all()
    assert np.array_equal(more[changed], codes[changed])
    other, _ = noisy(labels, "symmetric", "0.3", seed=4)
    assert not np.array_equal(other, codes)


def test_rows_are_drawn_uniformly():
    labels = random_labels(50, 3)
    hits = sum(noisy(labels, "symmetric", "0.2", seed=seed)[1].astype(int) for seed in range(400))
    # without replacement the counts vary less than independent ones: 400 · 0.2 · 0.8 each
    assert ((hits - 80) ** 2).sum() / (64 * 50 / 49) == pytest.approx(49, abs=35)


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("symetric", {}, "did you mean symmetric"),
        ("noise", {}, "there are symmetric"),
        ("asymmetric", {}, "transition=cifar10"),
        ("asymmetric", {"transition": "cifar100"}, "coarse labels"),
        ("asymmetric", {"transition": "cifar-100"}, "coarse labels"),
        ("asymmetric", {"transition": "cifer10"}, "did you mean cifar10"),
        ("asymmetric", {"transition": "9>1,2"}, "'2' is no pair"),
        ("asymmetric", {"transition": ""}, "is no pair"),
        ("asymmetric", {"transition": "9>9"}, "leaves the label as it is"),
        ("asymmetric", {"transition": "9>1,9>2"}, "'9' becomes two labels"),
        ("asymmetric", {"transition": "9>1,2>10"}, "no class '10' among the labels"),
        ("symmetric", {"transition": "cifar10"}, "transition is for asymmetric"),
    ],
)
def test_what_cannot_be_is_refused(kind, options, said):
    with pytest.raises(InvalidParameter, match=said):
        noisy(random_labels(100, 10), kind, "0.2", **options)


def test_maps_of_other_data_are_refused():
    labels = labels_of(["cat", "dog", "fish"])
    with pytest.raises(InvalidParameter, match="no class '9' among the labels; there are cat"):
        noisy(labels, "asymmetric", "0.2", transition="cifar10")


@pytest.mark.parametrize("kind", KINDS)
def test_one_class_has_no_other(kind):
    with pytest.raises(InvalidParameter, match="at least two classes, and all rows are 'x'"):
        noisy(labels_of(["x"] * 5), kind, "0.2")
