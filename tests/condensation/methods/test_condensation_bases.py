"""Settings that add nothing leave the base: the same images, through the command."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts.synthetic import read_synthetic

SMALL = ["digits:train", "--ipc", 2, "--model", "convnet:width=8,depth=1", "--iterations", 2]
SHORT = ["--set", "steps=2", "--set", "epochs=1", "--set", "batch=16"]


@pytest.mark.parametrize(
    ("base", "method", "nothing"),
    [
        ("dsa", "lcmat-c", ["c=0"]),
        ("dc", "lcmat-c", ["base=dc", "c_mode=relative", "c_rel=0"]),
        ("dsa", "gdro", ["level=1"]),
        ("dsa", "gdro", ["mix=0", "risk=within", "cells=kmeans"]),
    ],
)
def test_nothing_added_is_the_base_bit_for_bit(
    run_cli: Callable[..., Any], tmp_path: Path, base: str, method: str, nothing: list[str]
) -> None:
    extra = [word for setting in nothing for word in ("--set", setting)]
    found = []
    for name, settings in ((base, []), (method, extra)):
        output = tmp_path / f"{name}.parquet"
        done = run_cli("distill", *SMALL, "-m", name, "-o", output, "-q", *SHORT, *settings)
        assert done.code == 0, done.err
        found.append((done.digest, read_synthetic(output), pq.read_table(output)))
    (digest, one, table), (other_digest, other, other_table) = found
    assert digest == other_digest
    assert (one.pixels == other.pixels).all()
    assert table["image"] == other_table["image"]


def test_images_of_idc_are_stored_from_0_to_1(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    output = tmp_path / "idc.parquet"
    words = ["--set", "steps=2", "--set", "trained=64", "--set", "rate=5"]
    done = run_cli("distill", *SMALL, "-m", "idc", "-o", output, "-q", *words)
    assert done.code == 0, done.err
    found = read_synthetic(output)
    assert (found.space, found.factor, len(found.pixels)) == ("unit", 2, 20)
    assert found.pixels.min() == 0
    assert found.pixels.max() == 1
