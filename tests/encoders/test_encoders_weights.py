"""Weights that are on this machine, that could come, and that cannot be had."""

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from coreset_cli.encoders.weights import PATIENCE, Inquiry, cached
from coreset_cli.errors import WeightsUnavailable


@pytest.fixture
def server():
    """A server that answers every request with an error: it is there all the same."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.send_response(404)
            self.end_headers()

        def log_message(self, *words):
            pass

    found = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=found.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    thread.join()
    found.server_close()


def test_a_server_that_answers_is_enough(server):
    Inquiry(server).require_answer("it", "do that")


def test_a_closed_door_is_said_at_once():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, and nobody listens
        started = time.monotonic()
        inquiry = Inquiry(f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(WeightsUnavailable, match=r"weights of it .*refused.*; do that"):
            inquiry.require_answer("it", "do that")
    assert time.monotonic() - started < 1


def test_a_server_that_never_answers_is_not_waited_for():
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        started = time.monotonic()
        inquiry = Inquiry(f"http://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(WeightsUnavailable, match=r"does not answer|timed out"):
            inquiry.require_answer("it", "do that")
    assert time.monotonic() - started < PATIENCE + 0.5


def test_offline_is_believed(monkeypatch):
    from coreset_cli.encoders.weights import HUB

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(WeightsUnavailable, match="HF_HUB_OFFLINE is set"):
        Inquiry(HUB).require_answer("it", "do that")


def test_what_was_downloaded_before_is_found(tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    folder = tmp_path / "models--a--b"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("abc")
    (folder / "snapshots" / "abc").mkdir(parents=True)
    (folder / "snapshots" / "abc" / "second.bin").write_text("x")
    found = cached("a/b", ["first.bin", "second.bin"])
    assert found == folder / "snapshots" / "abc" / "second.bin"
    assert cached("a/b", ["third.bin"]) is None
