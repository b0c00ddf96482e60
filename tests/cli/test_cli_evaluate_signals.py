"""Signals that `evaluate --record` writes are what `select --signals` reads, for every method."""

import json

import pytest

from coreset_cli.cli.app import run

READERS = [
    *("forgetting", "el2n", "grand", "aum", "dyn-unc", "tdds", "dual"),
    *("least-confidence", "entropy", "margin", "cal", "deepfool", "contextual-diversity"),
    *("craig", "gradmatch", "glister", "lcmat-s", "influence", "prune4rel"),
    *("ccs", "d2", "elfs"),
]
K = 40


@pytest.fixture(scope="module")
def signals(tmp_path_factory):
    """Of a small network trained on 451 digits, for more epochs than a window is wide."""
    path = tmp_path_factory.mktemp("signals") / "signals.parquet"
    words = ["evaluate", "--train", "digits:test", "--test", "digits:test", "--baselines", "full"]
    words += ["--model", "convnet:width=4,depth=1", "--recipe", "quick:epochs=11", "--seeds", "1"]
    words += ["--device", "cpu", "--no-cache", "-q", "--record", str(path), "--record-folds", "2"]
    assert run(words) == 0
    return path


@pytest.mark.parametrize("method", READERS)
def test_a_method_selects_by_a_recorded_network(method, signals, run_cli):
    words = ["select", "-m", method, "-k", K, "digits:test", "--device", "cpu"]
    found = run_cli(*words, "--signals", signals, "--json")
    assert found.code == 0, found.err
    told = json.loads(found.out)
    assert len(set(told["rows"])) == K
    assert told["parameters"]["signals"]["network"] == "convnet:width=4,depth=1"
