"""Which rows of corrupted handwritten digits are worth training on?

What it shows: accuracy on clean digits of a linear model trained on 5 to 30 % of the rows, chosen
by each of the seven methods: from clean rows, with 20 or 45 % of the labels wrong, and with 20 % of
the rows replaced by a tight cluster far away (their labels kept). A seed draws corruption and
random subsets anew; random (stratified) and all rows stand beside every method.

    python examples/noisy_digits.py out/

writes noisy_digits.png and noisy_digits.csv and prints the tables, in about a minute on two cores.
"""

import csv
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import astuple, dataclass, fields
from functools import partial
from itertools import product
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from _arrays import Vectors, drawn, embeddings_of, far_cluster, inputs_of, pick, uniforms
from _drawing import save, styled
from _grid import Cell, Result, Table, grid_figure, grid_tables, summarised
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.commands.budget import parse_budget
from coreset_cli.seeds import Rng
from coreset_cli.training.linear import fit_linear, fit_scaling, predict
from coreset_cli.training.recipe import LinearRecipe

CLASSES = 10
RATIOS = ("0.05", "0.1", "0.2", "0.3")
METHODS = {
    "random": ("random", {}),
    "easy": ("easy", {}),
    "hard": ("hard", {}),
    "moderate": ("moderate", {}),
    "k-center": ("k-center", {}),
    "herding": ("herding", {}),
    "gm cosine": ("gm", {"match": "cosine"}),
    "gm l2": ("gm", {"match": "l2"}),
}


@dataclass(frozen=True)
class Rows:
    """A training set of which some rows are corrupted.

    Args:
        vectors: [n, 64] pixels.
        labels: [n] classes, some perhaps wrong.
        bad: [n] which rows are corrupted.
    """

    vectors: Vectors
    labels: NDArray[np.int64]
    bad: NDArray[np.bool_]


def clean(rows: Rows, rng: Rng) -> Rows:
    """As they are."""
    return rows


def wrong_labels(rows: Rows, rng: Rng, share: float) -> Rows:
    """Exactly ⌊share·n + ½⌋ rows get another class, each other class equally likely."""
    n = len(rows.labels)
    bad = drawn(rng, "mislabelled", n, int(share * n + 0.5))
    step = 1 + (uniforms(rng, "wrong class", n) * (CLASSES - 1)).astype(np.int64)
    return Rows(rows.vectors, np.where(bad, (rows.labels + step) % CLASSES, rows.labels), bad)


def far_vectors(rows: Rows, rng: Rng, share: float) -> Rows:
    """⌊share·n⌋ rows become a tight cluster far away; labels stay."""
    vectors, bad = far_cluster(rows.vectors, share, rng)
    return Rows(vectors.astype(np.float32), rows.labels, bad)


CONDITIONS: dict[str, Callable[[Rows, Rng], Rows]] = {
    "clean": clean,
    "20 % wrong labels": partial(wrong_labels, share=0.2),
    "45 % wrong labels": partial(wrong_labels, share=0.45),
    "20 % far cluster": partial(far_vectors, share=0.2),
}


def trial(task: tuple[str, int, tuple[str, ...]]) -> list[Result]:
    """Corrupt, select by every method, train and test.

    Args:
        task: condition, seed and ratios.
    """
    condition, seed, ratios = task
    rng = Rng(seed)
    train, test = (open_embeddings([f"digits:{part}"]) for part in ("train", "test"))
    n = train.matrix.n
    given = Rows(train.matrix.read(0, n), require_labels(train).codes, np.zeros(n, bool))
    rows = CONDITIONS[condition](given, rng)
    data = embeddings_of(condition, rows.vectors, rows.labels)
    inputs = inputs_of(data)
    scaling = fit_scaling(inputs.embeddings)

    def result(method: str, ratio: str, picks: NDArray[np.int64]) -> Result:
        kept = np.sort(picks)  # a model does not depend on the order of its rows
        model = fit_linear(
            scaling.apply(rows.vectors[kept]),
            rows.labels[kept],
            CLASSES,
            key=inputs.key.take(kept),
            recipe=LinearRecipe(),
        )
        correct = predict(model, test.matrix, scaling) == require_labels(test).codes
        return Result(condition, method, ratio, correct, float(rows.bad[kept].mean()))

    budgets = {ratio: parse_budget(ratio, None).rows(n) for ratio in ratios}
    # small matrices: more threads than one a process only wait for each other
    with threadpool_limits(limits=1):
        results = [result("all rows", "1", np.arange(n))]
        for label, (method, settings) in METHODS.items():
            # a smaller selection is the beginning of a larger one
            picks = pick(method, data, max(budgets.values()), rng, **settings)
            results += [result(label, ratio, picks[:k]) for ratio, k in budgets.items()]
    return results


def trials(seeds: int, ratios: tuple[str, ...], workers: int) -> list[Result]:
    """All conditions and seeds, over processes; the same numbers for any number of them."""
    tasks = list(product(CONDITIONS, range(seeds), [ratios]))
    if workers == 1:
        return [result for task in tasks for result in trial(task)]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        return [result for results in pool.map(trial, tasks) for result in results]


def main(out: Path, seeds: int = 5, ratios: tuple[str, ...] = RATIOS, workers: int = 2) -> Table:
    """Write noisy_digits.png and noisy_digits.csv; print and return the table."""
    started = time.perf_counter()
    table = summarised(trials(seeds, ratios, workers))
    grid_tables(table)
    out.mkdir(parents=True, exist_ok=True)
    with (out / "noisy_digits.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["condition", "method", "ratio", *(f.name for f in fields(Cell))])
        writer.writerows([*key, *astuple(cell)] for key, cell in table.items())
    with styled():
        save(grid_figure(table), out / "noisy_digits.png")
    print(f"{time.perf_counter() - started:.1f} s, {seeds} seeds, {workers} processes")
    return table


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
