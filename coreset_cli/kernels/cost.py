"""What picking takes, as far as it can be said before it runs."""

from dataclasses import dataclass

__all__ = ["Cost"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Passes over n rows, and what is held beside them.

    Args:
        reads: times the vectors are read as they are stored.
        passes: times the rows, as rounded to the grid, are read.
        grids: rounded rows held at once, as a share of the rows; 0 without a grid.
        kept: rounded rows held in memory beside them.
        state: bytes a row of all else that is held at once.
        per_class: bytes a class of models of the classes.
    """

    reads: float = 0.0
    passes: float = 0.0
    grids: float = 0.0
    kept: int = 0
    state: int = 0
    per_class: int = 0

    def then(self, later: "Cost", held: int) -> "Cost":
        """Of one after the other: what they read adds up, what they hold does not.

        Args:
            later: of the second.
            held: bytes a row that the first leaves for the second.
        """
        return Cost(
            reads=self.reads + later.reads,
            passes=self.passes + later.passes,
            grids=max(self.grids, later.grids),
            kept=max(self.kept, later.kept),
            state=max(self.state, later.state) + held,
            per_class=max(self.per_class, later.per_class),
        )
