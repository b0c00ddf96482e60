"""Signals against the definitions, written out in NumPy."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from coreset_cli.artifacts.signals import read_signals
from coreset_cli.errors import InvalidParameter, MissingInput, NotFinite
from coreset_cli.training.networks import Network
from coreset_cli.training.record import Recorder

N, C, E = 14, 4, 5
RNG = np.random.default_rng(0)
LOGITS = RNG.normal(0, 3, (E, N, C)).astype(np.float32)
TARGETS = RNG.integers(0, C, N)


def recorded(recorder: Recorder, epochs: int = E) -> Recorder:
    """Rows in another order every epoch, in batches."""
    for epoch in range(epochs):
        order = np.random.default_rng(epoch).permutation(N)
        for rows in np.split(order, [3, 9]):
            recorder(
                epoch,
                torch.from_numpy(rows),
                torch.from_numpy(LOGITS[epoch, rows]),
                torch.from_numpy(TARGETS[rows]),
            )
    return recorder


def test_signals_are_their_definitions():
    found = recorded(Recorder(n=N, classes=C, epochs=E)).dynamics()
    z = LOGITS.astype(np.float64)
    p = np.exp(z) / np.exp(z).sum(2, keepdims=True)
    for i in range(N):
        y, others = TARGETS[i], [c for c in range(C) if c != TARGETS[i]]
        for e in range(E):
            assert found.correct[i, e] == (z[e, i].argmax() == y)
            margin = z[e, i, y] - z[e, i, others].max()
            assert found.margin[i, e] == pytest.approx(margin, rel=1e-6)
            margin = p[e, i, y] - p[e, i, others].max()
            assert found.margin_prob[i, e] == pytest.approx(margin, rel=1e-5)
            assert found.p_true[i, e] == pytest.approx(p[e, i, y], rel=1e-6)
            error = np.linalg.norm(p[e, i] - np.eye(C)[y])
            assert found.error_norm[i, e] == pytest.approx(error, rel=1e-5)
            if e:
                now, before = p[e, i], p[e - 1, i]
                drift = np.abs(now * (np.log(now + 1e-8) - np.log(before + 1e-8))).sum()
                assert found.drift[i, e] == pytest.approx(drift, rel=1e-4)
    assert np.isnan(found.drift[:, 0]).all()


def test_drift_of_a_case_worked_by_hand():
    recorder = Recorder(n=1, classes=2, epochs=4)
    for epoch, p in enumerate([(0.5, 0.5), (0.8, 0.2), (0.6, 0.4), (0.9, 0.1)]):
        logits = torch.tensor([p], dtype=torch.float64).log()
        recorder(epoch, torch.tensor([0]), logits, torch.tensor([0]))
    np.testing.assert_allclose(
        recorder.dynamics().drift[0, 1:], [0.559261, 0.449868, 0.503548], atol=1e-6
    )


def test_a_row_fitted_well_still_has_an_error():
    recorder = Recorder(n=1, classes=3, epochs=1)
    recorder(0, torch.tensor([0]), torch.tensor([[60.0, 0.0, 0.0]]), torch.tensor([0]))
    expected = np.sqrt(6) * np.exp(-60)  # (−2q, q, q) with q = e⁻⁶⁰
    assert recorder.dynamics().error_norm[0, 0] == pytest.approx(expected, rel=1e-5, abs=0)


def test_equal_logits_predict_the_smaller_class():
    recorder = Recorder(n=3, classes=3, epochs=1)
    logits = torch.tensor([[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 1.0, 1.0]])
    recorder(0, torch.arange(3), logits, torch.tensor([0, 1, 1]))
    found = recorder.dynamics()
    assert found.correct[:, 0].tolist() == [True, False, True]
    assert found.margin[:, 0].tolist() == [0.0, 0.0, 0.0]


def test_what_was_not_seen_is_nan():
    recorder = Recorder(n=3, classes=C, epochs=3)
    for epoch, rows in enumerate([[0, 1], [0, 2], [0, 1, 2]]):
        index = torch.tensor(rows)
        recorder(epoch, index, torch.from_numpy(LOGITS[epoch, rows]), torch.zeros_like(index))
    found = recorder.dynamics()
    seen = [[True, True, True], [True, False, True], [False, True, True]]
    for name in ("margin", "margin_prob", "p_true", "error_norm"):
        assert (~np.isnan(getattr(found, name))).tolist() == seen
    known = ~np.isnan(found.drift)  # needs the epoch before
    assert known.tolist() == [[False, True, True], [False, False, False], [False, False, True]]
    assert not found.correct[1, 1]


def test_a_recorder_that_saw_nothing():
    found = Recorder(n=3, classes=2, epochs=2).dynamics()
    assert np.isnan(found.p_true).all()
    assert not found.correct.any()
    assert found.drift.shape == (3, 2)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_logits_that_are_not_finite(value):
    logits = torch.zeros(2, 3)
    logits[1, 2] = value
    recorder = Recorder(n=9, classes=3, epochs=4)
    with pytest.raises(NotFinite, match="row 7 in epoch 3"):
        recorder(2, torch.tensor([4, 7]), logits, torch.tensor([0, 0]))


def test_one_class_has_no_margin():
    with pytest.raises(InvalidParameter, match="2 classes"):
        Recorder(n=3, classes=1, epochs=1)


@pytest.mark.parametrize(("epochs", "expected"), [(3, (3,)), (10, (10,)), (11, (10, 11))])
def test_when_the_network_is_pictured(epochs, expected):
    assert Recorder(n=1, classes=2, epochs=epochs).snapshot_epochs(epochs) == expected


def test_a_loop_of_one_s_own_is_recorded():
    torch.manual_seed(0)
    pictures = torch.rand(20, 1, 4, 4)
    targets = torch.arange(20) % 3
    body = nn.Sequential(nn.Flatten(), nn.BatchNorm1d(16), nn.Dropout(0.5))
    network = Network(body, nn.Linear(16, 3))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.1)
    data = torch.utils.data.TensorDataset(torch.arange(20), pictures, targets)
    loader = torch.utils.data.DataLoader(data, batch_size=8, shuffle=True)
    recorder = Recorder(n=len(data), classes=3, epochs=2)
    for epoch in range(2):
        for rows, some, classes in loader:
            logits = network(some)
            recorder(epoch, rows, logits.detach(), classes)
            optimiser.zero_grad()
            functional.cross_entropy(logits, classes).backward()
            optimiser.step()
    recorder.snapshot(2, network, pictures.split(7))
    assert not np.isnan(recorder.dynamics().p_true).any()
    (shot,) = recorder.snapshots
    assert network.training  # as it was
    network.eval()
    np.testing.assert_allclose(shot.logits, network(pictures).detach(), rtol=1e-5)
    np.testing.assert_allclose(shot.feature, network.features(pictures).detach(), rtol=1e-5)
    network.head.weight.data.zero_()
    assert shot.weight.any()  # a copy


def test_pictures_of_other_rows_are_refused():
    network = Network(nn.Flatten(), nn.Linear(4, 2))
    with pytest.raises(InvalidParameter, match="5 rows, the pictures are 3"):
        Recorder(n=5, classes=2, epochs=1).snapshot(1, network, [torch.zeros(3, 1, 2, 2)])


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_logits_of_any_type_with_a_gradient_are_recorded(dtype):
    """As mixed precision leaves them; the numbers are those of the values that were given."""
    some = torch.from_numpy(LOGITS[0]).to(dtype).requires_grad_()
    plain = some.detach().float()
    rows, targets = torch.arange(N), torch.from_numpy(TARGETS)
    found, expected = (Recorder(n=N, classes=C, epochs=1) for _ in range(2))
    found(0, rows, some, targets)
    expected(0, rows, plain, targets)
    assert not found._series["margin"].requires_grad  # no graph is kept alive
    for name in ("margin", "p_true", "error_norm", "correct"):
        first, second = (getattr(one.dynamics(), name) for one in (found, expected))
        np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize(
    ("epoch", "row", "classes", "target", "part"),
    [
        (E, 0, C, 0, f"epoch {E}"),
        (-1, 0, C, 0, "epoch -1"),
        (0, N, C, 0, f"row {N} of class 0"),
        (0, -1, C, 0, "row -1"),
        (0, 3, C, C, f"row 3 of class {C}"),
        (0, 0, C + 1, 0, f"{C + 1} logits"),
    ],
)
def test_what_the_recorder_was_not_made_for_is_refused(epoch, row, classes, target, part):
    recorder = Recorder(n=N, classes=C, epochs=E)
    with pytest.raises(InvalidParameter, match=part):
        recorder(epoch, torch.tensor([row]), torch.zeros(1, classes), torch.tensor([target]))


def test_what_is_written_is_read_under_its_names(tmp_path):
    recorder = recorded(Recorder(n=N, classes=C, epochs=E))
    path = tmp_path / "signals.parquet"
    ids, names = [f"row {i}" for i in range(N)], ["d", "c", "b", "a"]
    recorder.write(path, ids=ids, names=names, network="mine", held_out=LOGITS[0])
    found = read_signals(path)
    assert found.labels.texts().tolist() == [names[target] for target in TARGETS]
    assert list(found.ids.texts()) == ids
    assert (found.record.network, found.record.classes) == ("mine", tuple(names))
    np.testing.assert_array_equal(found.dynamics.margin, recorder.dynamics().margin)
    np.testing.assert_array_equal(found.held_out, LOGITS[0])
    with pytest.raises(MissingInput, match=r"Recorder\.snapshot"):
        _ = found.last
    recorder.write(path)
    assert read_signals(path).ids.is_row_number
    assert set(read_signals(path).labels.names) == {"0", "1", "2", "3"}


def test_what_cannot_be_written_is_refused(tmp_path):
    recorder = Recorder(n=3, classes=C, epochs=1)
    path = tmp_path / "signals.parquet"
    with pytest.raises(InvalidParameter, match="3 of 3 rows were never shown"):
        recorder.write(path)
    recorder(0, torch.tensor([0, 2]), torch.zeros(2, C), torch.tensor([0, 1]))
    with pytest.raises(InvalidParameter, match="row 1 among them"):
        recorder.write(path)
    recorder(0, torch.tensor([1]), torch.zeros(1, C), torch.tensor([0]))
    with pytest.raises(
        InvalidParameter, match=r"4 distinct names and 3 ids were expected, not \(3, 3\)"
    ):
        recorder.write(path, names=["a", "b", "c", "c"])
    with pytest.raises(InvalidParameter, match=r"not \(4, 2\)"):
        recorder.write(path, ids=[4, 5])
    assert not path.exists()


def test_a_network_of_half_precision_is_pictured_in_float32_twice_at_most():
    network = Network(nn.Flatten(), nn.Linear(4, 2)).to(torch.bfloat16)
    recorder = Recorder(n=5, classes=2, epochs=1)
    rows = torch.arange(20).view(5, 1, 2, 2).to(torch.bfloat16)
    for epoch in (1, 2):
        recorder.snapshot(epoch, network, rows.split(2))
    for shot in recorder.snapshots:
        assert {shot.logits.dtype, shot.feature.dtype, shot.weight.dtype} == {np.dtype(np.float32)}
    np.testing.assert_array_equal(shot.feature, np.arange(20).reshape(5, 4))
    with pytest.raises(InvalidParameter, match="two pictures"):
        recorder.snapshot(3, network, rows.split(2))
