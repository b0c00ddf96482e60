"""Gross corruption of vectors: what an adversary who has seen all rows puts in place of some.

Which rows is the caller's choice: by the definition ⌊ψ·n⌋ of them, not rounded as elsewhere, and
ψ < ½ where a robust method is to stand; neither is checked here.

Source: the model is definition 1 of Acharya, Sanghavi, Dimakis & Dhillon, "Geometric Median (GM)
Matching for robust k-subset selection from noisy data", ICML 2025; the kinds are ours.
Cost: kinds that are placed by distance read all clean rows twice, the others none.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isfinite, sqrt

import numpy as np
from numpy.typing import NDArray

from coreset_cli.artifacts.corruption import Mark
from coreset_cli.corruption.draws import row_normals
from coreset_cli.errors import InvalidParameter, NotFinite, did_you_mean
from coreset_cli.io.matrix import Matrix
from coreset_cli.kernels.coordinate import mean
from coreset_cli.kernels.distance import distances_to
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key, Rng

__all__ = ["KINDS", "Cloud", "VectorDamage", "VectorOptions", "clean_cloud", "planned"]

KINDS = ("cluster", "scatter", "shift", "sign-flip", "mean-attack", "duplicate", "nan")

PLACED = frozenset({"cluster", "scatter", "shift", "mean-attack"})
"""Kinds that need to know where the clean rows are."""

Values = NDArray[np.float64]
Rows = NDArray[np.int64]
Step = Callable[[Values, Rows], Values]
"""Takes [m, d] values and their row numbers; gives back the values put in their place."""


@dataclass(frozen=True, kw_only=True)
class VectorOptions:
    """Parameters of damage to vectors.

    Args:
        scale: how far away, in median distances of the clean rows to their mean.
        spread: radius of the far cluster, in the same unit; 0 makes its rows the same.
        gamma: a sign flip makes x to −gamma·x.
        direction: [d] where to, of any length, joined with `+`; empty to draw it from the seed.

    Raises:
        InvalidParameter: a value out of range.
    """

    scale: float = 10.0
    spread: float = 0.1
    gamma: float = 1.0
    direction: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        for name in ("scale", "gamma"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise InvalidParameter(f"{name} {value:g} is no positive number")
        if not 0 <= self.spread < float("inf"):
            raise InvalidParameter(f"spread {self.spread:g} is below 0 or infinite")
        if self.direction and not (all(map(isfinite, self.direction)) and any(self.direction)):
            raise InvalidParameter("direction has no length, or an infinite one")


@dataclass(frozen=True)
class Cloud:
    """Where the clean rows are.

    Args:
        mean: [d] of them.
        radius: median distance to it.
    """

    mean: Values
    radius: float


@dataclass(frozen=True, kw_only=True)
class VectorDamage:
    """What is put in place of which rows, block by block.

    Args:
        marks: rows of each kind; no row twice.
        steps: what each kind does.
        number: [n] place of each row's mark, from 1 on; 0 for rows that stay.
    """

    marks: tuple[Mark, ...]
    steps: tuple[Step, ...] = field(repr=False)
    number: NDArray[np.int8] = field(repr=False)

    def apply(self, block: NDArray[np.generic], rows: Rows) -> NDArray[np.generic]:
        """Some rows after damage; those that are not hit keep every bit.

        Args:
            block: [b, d] stored values; not changed.
            rows: [b] their row numbers.

        Returns:
            [b, d] of the same type.

        Raises:
            NotFinite: a value that the type cannot hold.
        """
        number = self.number[rows]
        if not number.any():
            return block
        after = block.copy()
        for place, (mark, step) in enumerate(zip(self.marks, self.steps, strict=True), 1):
            hit = np.flatnonzero(number == place)
            if len(hit):
                made = step(block[hit].astype(np.float64), rows[hit])
                after[hit] = _stored(made, block.dtype, mark.kind, rows[hit])
        return after


def planned(
    matrix: Matrix, key: Key, marks: Sequence[Mark], *, seed: int, options: VectorOptions
) -> VectorDamage:
    """Read what the kinds must know of the clean rows, and prepare the damage.

    `cluster`: normal around mean + scale·radius·u. `scatter`: mean + scale·radius·u of its own for
    each row. `shift`: x + scale·radius·u. `sign-flip`: −gamma·x. `mean-attack`: all rows at the
    point which, were they the only damage, takes the mean of all rows to mean + scale·radius·u.
    `duplicate`: copies of one clean row. `nan`: nothing but NaN, for tests of what reads it.
    The mean and the radius are those of the rows that no kind hits.

    Args:
        matrix: [n, d] vectors.
        key: of the n ids.
        marks: rows of each kind, one of `KINDS`; no row twice.
        seed: of the run.
        options: parameters.

    Raises:
        InvalidParameter: no clean row is left, the rows hold whole numbers, or a direction does not
            fit.
        NotFinite: the clean rows hold NaN or Inf.
    """
    marks = tuple(mark for mark in marks if len(mark.rows))
    kinds = {mark.kind for mark in marks}
    number = np.zeros(matrix.n, np.int8)
    for place, mark in enumerate(marks, 1):
        number[mark.rows] = place
    clean = np.flatnonzero(number == 0)
    name = matrix.shards[0].name
    if kinds - {"duplicate"} and not np.issubdtype(matrix.dtype, np.floating):
        raise InvalidParameter(
            f"{name} holds {matrix.dtype.name}, and damage makes fractions; write it as float32"
        )
    if not len(clean) and kinds & (PLACED | {"duplicate"}):
        raise InvalidParameter(
            f"every row of {name} would be damaged, by the measure of those that are not; "
            "ask for less"
        )
    damage = _Steps(matrix, key, clean, Rng(seed), options)
    steps = tuple(damage.of(mark) for mark in marks)
    return VectorDamage(marks=marks, steps=steps, number=number)


def clean_cloud(points: Points) -> Cloud:
    """Mean of the rows, and the median of their distances to it.

    Raises:
        NotFinite: they hold NaN or Inf.
    """
    if not points.each(lambda block: block.sum(1)).isfinite().all():
        raise NotFinite(
            "rows that are not to be damaged hold NaN, Inf or values beyond float32; "
            "drop those rows, or embed them again"
        )
    centre = mean(points)
    distances = distances_to(points, centre).cpu().numpy()
    return Cloud(centre.cpu().numpy(), float(np.median(distances)))


@dataclass(frozen=True)
class _Steps:
    """What the kinds know of the input."""

    matrix: Matrix
    key: Key
    clean: Rows
    rng: Rng
    options: VectorOptions

    def of(self, mark: Mark) -> Step:
        """What a kind does; the clean rows are read here, where it needs them."""
        match mark.kind:
            case "cluster":
                return self._cluster()
            case "scatter":
                return self._scatter()
            case "shift":
                away = self._away("shift")
                return lambda values, rows: values + away
            case "sign-flip":
                return lambda values, rows: -self.options.gamma * values
            case "mean-attack":
                share = len(mark.rows) / self.matrix.n
                point = self.cloud.mean + self._away("mean-attack") / share
                return lambda values, rows: np.broadcast_to(point, values.shape)
            case "duplicate":
                chosen = self.rng.shuffled("corrupt duplicate", self.key.take(self.clean))[:1]
                point = self.matrix.take(self.clean[chosen]).astype(np.float64)
                return lambda values, rows: np.broadcast_to(point, values.shape)
            case "nan":
                return lambda values, rows: np.full_like(values, np.nan)
            case _:
                hint = did_you_mean(mark.kind, KINDS) or f"; there are {', '.join(KINDS)}"
                raise InvalidParameter(f"unknown damage to vectors '{mark.kind}'{hint}")

    @cached_property
    def cloud(self) -> Cloud:
        """Where the clean rows are."""
        cloud = clean_cloud(Points(self.matrix, self.key.take(self.clean), rows=self.clean))
        if cloud.radius == 0:
            raise InvalidParameter(
                f"more than half of the clean rows of {self.matrix.shards[0].name} are one point, "
                "so no distance is far; use sign-flip or duplicate"
            )
        return cloud

    def _cluster(self) -> Step:
        centre = self.cloud.mean + self._away("cluster")
        deviation = self.options.spread * self.cloud.radius / sqrt(self.matrix.d)

        def step(values: Values, rows: Rows) -> Values:
            return centre + deviation * self._normals("corrupt cluster spread", rows)

        return step

    def _scatter(self) -> Step:
        cloud, reach = self.cloud, self.options.scale * self.cloud.radius

        def step(values: Values, rows: Rows) -> Values:
            return cloud.mean + reach * _unit(self._normals("corrupt scatter", rows))

        return step

    def _away(self, kind: str) -> Values:
        """[d] scale·radius·u, one u for all rows of a kind."""
        d, given = self.matrix.d, self.options.direction
        if given and len(given) != d:
            raise InvalidParameter(
                f"direction has {len(given)} values, and vectors of "
                f"{self.matrix.shards[0].name} have {d}"
            )
        # A word of the seed and the kind alone: u is the same whatever the rows are.
        everyone = Key(np.zeros(1, np.int64), np.zeros(1, np.uint64))
        drawn = row_normals(self.rng.draws(f"corrupt {kind} direction", everyone), d)
        along = _unit(np.array([given]) if given else drawn)[0]
        return self.options.scale * self.cloud.radius * along

    def _normals(self, purpose: str, rows: Rows) -> Values:
        """[m, d] normal draws, each row from its own word."""
        return row_normals(self.rng.draws(purpose, self.key.take(rows)), self.matrix.d)


def _unit(values: Values) -> Values:
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def _stored(
    made: Values, dtype: np.dtype[np.generic], kind: str, rows: Rows
) -> NDArray[np.generic]:
    """Damaged values in the type of the file.

    Raises:
        NotFinite: it does not reach that far.
    """
    with np.errstate(over="ignore"):
        stored = made.astype(dtype)
    bad = ~np.isfinite(stored).all(axis=1)
    if kind != "nan" and bad.any():
        row, largest = int(rows[bad][0]), float(np.abs(made[bad][0]).max())
        raise NotFinite(
            f"{kind} would give row {row} a value of {largest:.3g}, beyond {dtype.name}; "
            "write the input as float32, or damage less far (--set scale=…)"
        )
    return stored
