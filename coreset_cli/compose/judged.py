"""A selector that trusts some rows more than others, with the judge of all rows."""

from dataclasses import dataclass, replace
from typing import ClassVar

from coreset_cli.compose.per_class import PerClass
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, Picks, Score, Selector, needs

__all__ = ["Judged", "inside_classes"]

GIVEN = needs("given")


@dataclass(frozen=True, kw_only=True)
class Judged:
    """Judge all rows together, and let a selector pick, inside classes or not.

    A judge sees what a class alone does not show: which rows other classes claim.

    Args:
        method: the selector; the score it is given is the judge's.
        judge: gives every row a score, the higher the more it is to be trusted.
    """

    held: ClassVar[int] = 8
    """Bytes a row of the scores."""

    method: Selector
    judge: Score

    @property
    def prefix(self) -> bool:
        """As the selector."""
        return self.method.prefix

    @property
    def exact(self) -> bool:
        """Where both are."""
        return self.method.exact and self.judge.exact

    @property
    def needs(self) -> frozenset[Field]:
        """What both need, but for the score that is made here."""
        return (self.method.needs - GIVEN) | self.judge.needs

    def select(self, data: Inputs, k: int, rng: Rng) -> Picks:
        """Judge, then pick k rows."""
        return self.method.select(replace(data, scores=self.judge.score(data, rng)), k, rng)

    def cost(self, n: int, k: int) -> Cost:
        """Of one after the other."""
        return self.judge.cost(n, n).then(self.method.cost(n, k), self.held)


def inside_classes(selector: Selector) -> PerClass | PerGroup | None:
    """What runs inside every class, or group of alike rows, also where all rows are judged first.

    None where a method sees one pool.
    """
    inner = selector.method if isinstance(selector, Judged) else selector
    return inner if isinstance(inner, PerClass | PerGroup) else None
