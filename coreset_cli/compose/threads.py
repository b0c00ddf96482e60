"""Pieces of one job on several threads, with one progress, that end together."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from threading import Lock
from typing import TypeVar

import torch

from coreset_cli.kernels.cuda import classes
from coreset_cli.selector import Progress

__all__ = ["Tally", "side_by_side"]

Item = TypeVar("Item")
Result = TypeVar("Result")


class Tally:
    """Counts what all pieces have done, whichever thread did it.

    Args:
        progress: told of the sum; never by two threads at once.
        done: that were done before.
        total: in all.
    """

    def __init__(self, progress: Progress, done: int, total: int) -> None:
        self._progress = progress
        self._done = done
        self._total = total
        self._stopped = False
        self._lock = Lock()

    def of_a_piece(self) -> Progress:
        """Progress of one piece, as part of the whole."""
        before = 0

        def told(done: int, total: int) -> None:
            nonlocal before
            with self._lock:
                if self._stopped:
                    raise _NotNeeded
                self._done += done - before
                before = done
                self._progress(self._done, self._total)

        return told

    def stop(self) -> None:
        """End every piece at its next sign of progress."""
        self._stopped = True


def side_by_side(
    work: Callable[[Item], Result], items: Sequence[Item], workers: int, tally: Tally
) -> list[Result]:
    """What `work` makes of each item, in the order of the items.

    The first failure ends all others and is raised as it is; so does an exception that a signal
    raises in the caller's thread. Chains of picks on a device share their launches.

    Args:
        work: called on the caller's thread where there is one worker.
        items: begun in this order.
        workers: threads; torch runs single-threaded inside them.
        tally: progress of all items.
    """
    if workers <= 1:
        return [work(item) for item in items]
    meeting = classes.met()

    def among_others(item: Item) -> Result:
        with classes.together(meeting):
            return work(item)

    threads = torch.get_num_threads()
    pool = ThreadPoolExecutor(workers, initializer=torch.set_num_threads, initargs=(1,))
    try:
        futures = [pool.submit(among_others, item) for item in items]
        for future in as_completed(futures):
            future.result()
        return [future.result() for future in futures]
    finally:
        tally.stop()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


class _NotNeeded(BaseException):
    """Another piece has failed."""
