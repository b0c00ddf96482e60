"""Threads that wait for each other, so that what they ask for is done in one go."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Condition
from typing import Generic, TypeVar

__all__ = ["Meeting"]

Request = TypeVar("Request")


@dataclass(eq=False)
class _Asked(Generic[Request]):
    """A request, and how it ended: `over`, and well if there is no `failure`."""

    request: Request
    over: bool = False
    failure: BaseException | None = None


class Meeting(Generic[Request]):
    """Requests are served together, as soon as every member has one.

    A member that leaves, however it ends, is not waited for; what members do between two requests
    must not wait for another member's.

    Args:
        serve: called by one member at a time, with all requests in the order they came.
    """

    def __init__(self, serve: Callable[[list[Request]], None]) -> None:
        self._serve = serve
        self._changed = Condition()
        self._members = 0
        self._waiting: list[_Asked[Request]] = []

    @contextmanager
    def member(self) -> Iterator[None]:
        """The caller's thread takes part."""
        with self._changed:
            self._members += 1
        try:
            yield
        finally:
            with self._changed:
                self._members -= 1
                self._changed.notify_all()

    def ask(self, request: Request) -> None:
        """Wait until the request, a member's, is served.

        Raises:
            BaseException: what serving it and the others raised; all who waited raise it.
        """
        mine = _Asked(request)
        with self._changed:
            self._waiting.append(mine)
            self._changed.wait_for(lambda: mine.over or len(self._waiting) == self._members)
            if not mine.over:
                self._serve_all()
        if mine.failure is not None:
            raise mine.failure

    def _serve_all(self) -> None:
        asked, self._waiting = self._waiting, []
        failure: BaseException | None = None
        try:
            self._serve([one.request for one in asked])
        except BaseException as error:  # noqa: BLE001 (whatever it is, nobody may be left waiting)
            failure = error
        for one in asked:
            one.over, one.failure = True, failure
        self._changed.notify_all()
