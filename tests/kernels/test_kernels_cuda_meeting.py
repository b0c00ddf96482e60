"""Threads that wait for each other: all are served together, and nobody waits for ever."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from coreset_cli.kernels.cuda.meeting import Meeting

SECONDS = 20
"""After which a thread that still waits has failed the test."""


def ended(*works):
    """What each work gives or raises, each on a thread of its own, begun in this order."""
    pool = ThreadPoolExecutor(len(works))
    try:
        futures = [pool.submit(work) for work in works]
        return [one.exception(timeout=SECONDS) or one.result() for one in futures]
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


class Table:
    """A meeting that notes who was served together; all its members begin together."""

    def __init__(self, members, serve=lambda requests: None):
        self.served = []
        self._serve = serve
        self._begin = threading.Barrier(members, timeout=SECONDS)
        self.meeting = Meeting(self._note)

    def _note(self, requests):
        self.served.append(sorted(requests))
        self._serve(requests)

    def asks(self, *requests, first=lambda: None):
        def work():
            with self.meeting.member():
                self._begin.wait()
                first()
                for request in requests:
                    self.meeting.ask(request)
            return requests

        return work


def test_all_members_are_served_together_every_time():
    table = Table(3)
    works = [table.asks(name + "1", name + "2") for name in "abc"]
    assert ended(*works) == [("a1", "a2"), ("b1", "b2"), ("c1", "c2")]
    assert table.served == [["a1", "b1", "c1"], ["a2", "b2", "c2"]]


def test_a_member_is_waited_for_while_it_works_and_not_when_it_has_left():
    def slow():
        time.sleep(0.05)

    table = Table(3)
    ended(table.asks("a1", "a2", "a3"), table.asks("b1", first=slow), table.asks(first=slow))
    assert table.served == [["a1", "b1"], ["a2"], ["a3"]]


def test_one_alone_is_served_at_once():
    table = Table(1)
    assert ended(table.asks("a")) == [("a",)]
    assert table.served == [["a"]]


def test_a_member_that_fails_is_not_waited_for():
    def fail():
        time.sleep(0.05)
        raise KeyboardInterrupt

    table = Table(3)
    found = ended(table.asks("a"), table.asks("b", first=fail), table.asks("c"))
    assert isinstance(found[1], KeyboardInterrupt)
    assert found[::2] == [("a",), ("c",)]
    assert table.served == [["a", "c"]]


def test_a_failure_to_serve_is_raised_by_all_who_waited():
    def serve(requests):
        if "b2" in requests:
            raise RuntimeError("out of memory")

    table = Table(3, serve)
    found = ended(table.asks("a1", "a2"), table.asks("b1", "b2"), table.asks("c1"))
    assert [str(one) for one in found[:2]] == ["out of memory"] * 2
    assert found[2] == ("c1",)
    assert table.served[-1] == ["a2", "b2"]


def test_it_can_meet_again_after_a_failure():
    failures = [RuntimeError("once")]

    def serve(requests):
        if failures:
            raise failures.pop()

    table = Table(2, serve)

    def again():
        with table.meeting.member():
            with pytest.raises(RuntimeError, match="once"):
                table.meeting.ask("a")
            table.meeting.ask("b")
        return "b"

    assert ended(again) == ["b"]
    assert table.served == [["a"], ["b"]]


def test_many_members_that_come_and_go_are_all_served():
    served, at_once = [], []

    def serve(requests):
        at_once.append(len(requests))
        served.extend(requests)

    meeting = Meeting(serve)

    def work(number):
        for turn in range(number % 5):
            with meeting.member():
                for step in range(number % 4):
                    meeting.ask((number, turn, step))

    with ThreadPoolExecutor(8) as pool:
        for one in [pool.submit(work, number) for number in range(100)]:
            one.result(timeout=SECONDS)
    assert sorted(served) == [
        (number, turn, step)
        for number in range(100)
        for turn in range(number % 5)
        for step in range(number % 4)
    ]
    assert max(at_once) <= 8
