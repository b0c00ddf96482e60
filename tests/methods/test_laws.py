"""Laws of every file in `methods/`, bare and inside every wrapper of `compose/`.

A new method is found by listing the folder and tested here before its author writes a test. Each
method runs with its defaults, and bare once for every other choice of every parameter.
"""

import dataclasses
import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

import numba
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from clouds import SIGNALS, inputs_of, scores_of, signals_of

import coreset_cli.compose
from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.commands.budget import Budget
from coreset_cli.commands.methods import card_of
from coreset_cli.commands.register import make_method, method_class, method_names
from coreset_cli.commands.select import Request, select
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.errors import InfeasibleBudget, MissingInput, NotFinite
from coreset_cli.kernels import compiled, points
from coreset_cli.kernels.points import Points
from coreset_cli.kernels.risk import Risk
from coreset_cli.seeds import Rng
from coreset_cli.selector import Inputs, Score, Selector, choose

WRAPPERS = ["bare", "proportional", "equal", "cvar"]
EXACT = {"easy", "echo", "facility-location", "gm", "graph-cut", "hard", "herding", "k-center",
         "kernel-herding", "kernel-thinning", "moderate", "prototypes", "random", "semdedup",
         "topk", "zcore"}  # fmt: skip
"""Methods whose picks depend on nothing but the numbers, the ids and the seed."""

LINEAR = {"easy", "gm", "hard", "herding", "k-center", "moderate", "random"}
"""Methods that are done with 120,000 rows in a moment."""

NOT_BY_DISTANCE = [("gm", {"match": "dot"}), ("gm", {"match": "cosine"}),
                   ("herding", {"match": "dot"}), ("herding", {"match": "cosine"}),
                   ("gm", {"theta0": "zero"}), ("echo", {}), ("echo", {"projection": "svd"}),
                   ("echo", {"scale": "quantile"}), ("echo", {"scale": "rank"})]  # fmt: skip


@dataclass(frozen=True)
class Witness(Rng):
    """Draws as `Rng` does, and remembers what for."""

    asked: list[str] = dataclasses.field(default_factory=list)

    def draws(self, purpose, key):
        self.asked.append(purpose)
        return super().draws(purpose, key)


@dataclass(frozen=True)
class Case:
    """A method with some parameters, inside some wrapper."""

    name: str
    settings: tuple[tuple[str, Any], ...]
    wrapper: str

    def __str__(self) -> str:
        chosen = [f"{key}={value}" for key, value in self.settings]
        return "-".join([self.name, *chosen, self.wrapper])

    def method(self) -> Selector | Score:
        return method_class(self.name)(**dict(self.settings))

    def selector(self) -> Selector:
        method = self.method()
        selector = ByScore(method=method) if isinstance(method, Score) else method
        if self.wrapper == "bare":
            return selector
        if self.wrapper == "cvar":
            return PerGroup(method=selector, groups=3, risk=Risk(level=0.2, mix=0.5, trim=0.1))
        return PerClass(method=selector, balance=self.wrapper)

    def among(self, listed: list[tuple[str, dict[str, str]]]) -> bool:
        return (self.name, dict(self.settings)) in listed

    def pick(self, data: Inputs, k: int, seed: int = 0) -> list[int]:
        return choose(self.selector(), data, k, Rng(seed)).rows.tolist()

    def is_exact(self) -> bool:
        """Whether it promises the same picks for any threads, blocks and storage."""
        return self.selector().exact

    def draws(self) -> bool:
        """Whether the seed is asked for anything."""
        witness = Witness(0)
        choose(self.selector(), data_of(self), 17, witness)
        return bool(witness.asked)

    def by_window(self) -> bool:
        """Whether it keeps rows from within a ranking."""
        return self.name in {"elfs", "moderate"} or ("keep", "middle") in self.settings

    def by_signals(self) -> bool:
        """Whether it reads signals of training, or a score that was made before."""
        return bool(self.selector().needs & (SIGNALS | {"given"}))


def choices() -> list[tuple[str, tuple[tuple[str, Any], ...]]]:
    found = []
    for name in method_names():
        method = method_class(name)
        hints = get_type_hints(method)
        found.append((name, ()))
        for field in fields(method):
            if get_origin(hints[field.name]) is Literal:
                others = set(get_args(hints[field.name])) - {field.default}
                found += [(name, ((field.name, other),)) for other in sorted(others)]
    return found


CASES = [
    Case(name, settings, wrapper)
    for name, settings in choices()
    for wrapper in WRAPPERS
    if wrapper == "bare" or not settings
]
BARE = [case for case in CASES if case.wrapper == "bare"]
cases = pytest.mark.parametrize("case", CASES, ids=str)
bare_cases = pytest.mark.parametrize("case", BARE, ids=str)
EXACTLY = [case for case in CASES if case.is_exact()]
exact_cases = pytest.mark.parametrize("case", EXACTLY, ids=str)
bare_exact_cases = pytest.mark.parametrize(
    "case", [case for case in BARE if case.is_exact()], ids=str
)
names = pytest.mark.parametrize("name", method_names())

N, D = 41, 3
ROWS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32) + 1
LABELS = np.array([7] * 25 + [3] * 15 + [-2])


def data_of(case: Case, rows=ROWS, labels=LABELS, ids=None) -> Inputs:
    """Only what the case declares: anything else raises where it is read."""
    whole = inputs_of(rows, labels, ids)
    wanted = case.selector().needs
    return Inputs(
        key=whole.key,
        points=whole.points if "embeddings" in wanted else None,
        classes=whole.classes if "labels" in wanted else None,
        signals=signals_of(whole, wanted),
        scores=scores_of(whole) if "given" in wanted else None,
    )


def test_all_wrappers_are_here():
    files = Path(coreset_cli.compose.__file__).parent.glob("*.py")
    beside = {"__init__", "finished", "threads"}  # how `per_class` runs its classes
    assert {file.stem for file in files} - beside == {
        "judged", "keep", "per_class", "per_group", "scored"
    }  # fmt: skip


@cases
@pytest.mark.parametrize("k", [1, 17, N])
def test_k_distinct_rows(case, k):
    picks = case.pick(data_of(case), k)
    assert len(set(picks)) == len(picks) == k
    assert set(picks) <= set(range(N))


@cases
def test_one_row_of_one_value(case):
    assert case.pick(data_of(case, np.float32([[3]]), [5]), 1) == [0]


@cases
def test_one_class_is_one_pool(case):
    if case.wrapper == "cvar":
        return
    picks = case.pick(data_of(case, labels=np.zeros(N, int)), 9)
    bare = Case(case.name, case.settings, "bare")
    assert picks == bare.pick(data_of(bare, labels=np.zeros(N, int)), 9)


@cases
@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1e20])
def test_constant_rows_go_by_id(case, value):
    rows = np.full((N, D), value, np.float32)
    labels = np.zeros(N, int) if case.by_signals() else LABELS  # labels make signals differ
    picks = case.pick(data_of(case, rows, labels), 12)
    assert len(set(picks)) == 12
    moves_on = case.by_window() or case.name == "d2"  # neighbours of a pick are discounted
    if case.wrapper == "bare" and not moves_on and not case.draws():
        assert picks == list(range(12))


@cases
def test_repeated_rows(case):
    rows, labels = np.repeat(ROWS[:10], 4, axis=0), np.repeat(LABELS[20:30], 4)
    assert len(set(case.pick(data_of(case, rows, labels), 33))) == 33


@cases
def test_rows_without_direction(case):
    rows = ROWS.copy()
    rows[::2] = 0
    assert len(set(case.pick(data_of(case, rows), 30))) == 30
    assert len(set(case.pick(data_of(case, np.vstack([ROWS, -ROWS])[:N]), 30))) == 30


@cases
@pytest.mark.parametrize("ids", [[4, 9], [9, 4]])
def test_a_pair_goes_by_id(case, ids):
    if case.by_signals() or case.among(NOT_BY_DISTANCE) or case.draws():
        return
    for seed in range(25):
        rows = np.random.default_rng(seed).normal(size=(2, D)).astype(np.float32)
        data = data_of(case, rows * np.float32([[1], [10.0 ** (seed % 7)]]), [1, 1], ids)
        assert case.pick(data, 2) == np.argsort(ids).tolist()


@cases
def test_the_seed_decides(case):
    data = data_of(case)
    assert case.pick(data, 20, seed=3) == case.pick(data, 20, seed=3)
    if case.draws():
        assert len({tuple(case.pick(data, 20, seed)) for seed in range(5)}) > 1
    else:
        assert case.pick(data, 20, seed=3) == case.pick(data, 20, seed=4)


@cases
@pytest.mark.parametrize("kind", [int, str])
def test_order_of_rows_changes_nothing(case, kind):
    ids = np.array([f"row {i}" for i in range(N)]) if kind is str else np.arange(N) * 3
    order = np.random.default_rng(1).permutation(N)
    picks = case.pick(data_of(case, ids=ids), 19)
    shuffled = case.pick(data_of(case, ROWS[order], LABELS[order], ids[order]), 19)
    assert ids[picks].tolist() == ids[order][shuffled].tolist()


@exact_cases
def test_blocks_change_nothing(case, monkeypatch):
    expected = case.pick(data_of(case), 19)
    for kept in (0, points.KEPT_BYTES):
        for rows in (1, 7, 1000):
            monkeypatch.setattr(points, "KEPT_BYTES", kept)
            monkeypatch.setattr(points, "BLOCK_BYTES", 8 * D * rows)
            monkeypatch.setattr(points, "STORED_BYTES", 4 * D * rows)
            assert case.pick(data_of(case), 19) == expected


def many_rows(n, d):
    """Rows of all sizes: repeated ones, and some a million times as far out as the others."""
    rng = np.random.default_rng(2)
    rows = rng.normal(size=(n, d)).astype(np.float32)
    rows[: n // 4] = rows[n // 4 : 2 * (n // 4)]
    rows[rng.random(n) < 0.1] *= 1e6
    return rows, rng.integers(0, 4, n)


@pytest.mark.parametrize("case", [case for case in BARE if case.name in LINEAR], ids=str)
def test_blocks_of_a_thousand_and_a_hundred_thousand_rows(case, monkeypatch):
    rows, labels = many_rows(120_000, 4)
    found = []
    for block in (1000, 100_000):
        monkeypatch.setattr(points, "BLOCK_BYTES", 8 * 4 * block)
        monkeypatch.setattr(points, "STORED_BYTES", 4 * 4 * block)
        found.append(case.pick(data_of(case, rows, labels), 8))
    assert found[0] == found[1]


@exact_cases
def test_compiled_loops_change_nothing(case, monkeypatch):
    rows, labels = many_rows(1500, 24)
    data = data_of(case, rows, labels)
    expected = case.pick(data, 40)
    monkeypatch.setattr(points, "SMALL", 0)
    monkeypatch.setattr(compiled, "CHUNK_BYTES", 1 << 13)  # many chunks
    assert case.pick(data_of(case, rows, labels), 40) == expected


@bare_exact_cases
def test_threads_change_nothing(case, monkeypatch):
    monkeypatch.setattr(points, "SMALL", 0)
    monkeypatch.setattr(compiled, "CHUNK_BYTES", 1 << 13)
    rows, labels = many_rows(3000, 24)
    before = torch.get_num_threads(), numba.get_num_threads()
    found = []
    try:
        for threads in (1, 2, 4):
            torch.set_num_threads(threads)
            numba.set_num_threads(min(threads, numba.config.NUMBA_NUM_THREADS))
            found.append(case.pick(data_of(case, rows, labels), 25))
    finally:
        torch.set_num_threads(before[0])
        numba.set_num_threads(before[1])
    assert found[0] == found[1] == found[2]


@bare_exact_cases
def test_storage_changes_nothing(case, tmp_path):
    half = ROWS.astype(np.float16)
    expected = case.pick(data_of(case, half), 19)
    for wider in (np.float32, np.float64):
        assert case.pick(data_of(case, half.astype(wider)), 19) == expected
    np.save(tmp_path / "a.npy", half)
    column = pa.FixedSizeListArray.from_arrays(pa.array(half.ravel()), D)
    pq.write_table(pa.table({"embedding": column}), tmp_path / "a.parquet")
    for name in ("a.npy", "a.parquet"):
        opened = open_embeddings([str(tmp_path / name)])
        data = data_of(case, half)
        stored = Points(opened.matrix, opened.ids.key()) if data.points else None
        again = Inputs(
            key=opened.ids.key(),
            points=stored,
            classes=data.classes,
            signals=data.signals,
            scores=data.scores,
        )
        assert case.pick(again, 19) == expected


@cases
def test_inputs_stay_as_they_are(case):
    rows, labels = ROWS.copy(), LABELS.copy()
    data = data_of(case, rows, labels)
    codes = None if data.classes is None else data.classes.codes.copy()
    rank, hashes = data.key.rank.copy(), data.key.hash.copy()
    case.pick(data, 30)
    assert np.array_equal(rows, ROWS)
    assert codes is None or np.array_equal(codes, data.labels.codes)
    assert np.array_equal(rank, data.key.rank)
    assert np.array_equal(hashes, data.key.hash)


@cases
def test_what_is_needed_is_asked_for(case):
    data = data_of(case)
    with_nothing = Inputs(key=data.key)
    if case.selector().needs:
        with pytest.raises(MissingInput):
            case.pick(with_nothing, 5)
    else:
        assert case.pick(with_nothing, 5) == case.pick(data, 5)


@cases
@pytest.mark.parametrize("k", [-1, 0, N + 1])
def test_impossible_budgets_are_refused(case, k):
    with pytest.raises(InfeasibleBudget, match=f"of {N} rows"):
        case.pick(data_of(case), k)


@cases
def test_prefixes_are_smaller_selections_where_declared(case):
    if not case.selector().prefix:
        return
    data = data_of(case)
    whole = case.pick(data, N)
    for k in (1, 2, 5, 16, 40):
        assert case.pick(data, k) == whole[:k]


@cases
def test_scores_belong_to_the_picks(case):
    found = choose(case.selector(), data_of(case), 12, Rng(0))
    assert found.weights is None or (len(found.weights) == 12 and (found.weights > 0).all())
    if found.scores is not None:
        assert len(found.scores) == 12
        assert not np.isnan(found.scores).any()


@cases
def test_cost_is_an_estimate(case):
    cost = case.selector().cost(1000, 10)
    assert 0 <= cost.reads + cost.passes < 2000
    assert 0 <= cost.grids <= 2


@bare_cases
def test_parameters_survive_json_and_the_command_line(case):
    method = case.method()
    assert type(method)(**json.loads(json.dumps(vars(method)))) == method
    texts = {key: str(value) for key, value in vars(method).items()}
    assert make_method(case.name, texts) == method


@names
def test_the_card_is_whole(name):
    card = card_of(name)
    for told in (card.summary, card.source, card.cost, card.robustness):
        assert len(told) > 20
    assert len(card.summary) < 120
    assert all(parameter.meaning for parameter in card.parameters)
    assert card.exact == (name in EXACT)


@names
def test_a_nan_never_reaches_a_method(name, tmp_path):
    rows = ROWS.copy()
    rows[5, 1] = np.nan
    np.save(tmp_path / "bad.npy", rows)
    np.save(tmp_path / "labels.npy", LABELS)
    request = Request(
        paths=(str(tmp_path / "bad.npy"),),
        method=name,
        budget=Budget(count=3),
        settings={},
        label=str(tmp_path / "labels.npy"),
        signals=str(tmp_path / "labels.npy") if name == "topk" else None,
    )
    with pytest.raises(NotFinite, match="row 5"):
        select(request, lambda stage, done, total: None)
