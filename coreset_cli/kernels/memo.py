"""What a long run leaves behind, and finds again when it is started a second time.

A kernel asks for what an earlier run kept, goes on from there, and keeps where it stands now and
then. It must come to the same result as one run: what it keeps decides everything that follows,
given the same inputs and parameters. That they are the same is for whoever hands out the memo.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray

__all__ = ["FORGETFUL", "Forgetful", "Memo", "State"]

State = Mapping[str, NDArray[Any]]
"""Named arrays; an earlier run of the same inputs and parameters left them."""


@runtime_checkable
class Memo(Protocol):
    """A place for the state of one piece of work; pieces may lie inside pieces."""

    def recall(self) -> State | None:
        """What an earlier run kept last; nothing where it kept nothing."""
        ...

    def due(self) -> bool:
        """Whether enough time has passed that the state is worth keeping."""
        ...

    def keep(self, state: State, done: int) -> None:
        """Keep the state instead of what was kept before.

        Args:
            state: all that is needed to go on; copied before this returns.
            done: picks that it stands for.
        """
        ...

    def close(self) -> None:
        """Say that this piece is done and part of the whole.

        What was kept of the piece alone is dropped when the whole is next kept.
        """
        ...

    def part(self, name: str) -> "Memo":
        """The place of a piece of this work; its time begins now.

        Args:
            name: of letters, digits and hyphens.
        """
        ...


@dataclass(frozen=True)
class Forgetful:
    """Keeps nothing: for runs that are not continued."""

    def recall(self) -> State | None:
        """Nothing."""
        return None

    def due(self) -> bool:
        """Never."""
        return False

    def keep(self, state: State, done: int) -> None:
        """Do nothing."""

    def close(self) -> None:
        """Do nothing."""

    def part(self, name: str) -> Memo:
        """Itself."""
        return self


FORGETFUL = Forgetful()
"""What a run is given that nobody wants to continue."""
