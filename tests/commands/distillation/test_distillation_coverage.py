"""The figure of the real images that each learned one stands for."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tasks import start_of, task_of

from coreset_cli.condensation.coverage import covered_class
from coreset_cli.condensation.methods.dm import DM
from coreset_cli.condensation.methods.idc import IDC
from coreset_cli.training.formation import decoded

SMALL = ["digits:train", "-m", "dm", "--ipc", 2, "--model", "convnet:width=8,depth=1", "-q"]


def test_it_is_drawn_beside_the_images(run_cli: Callable[..., Any], tmp_path: Path) -> None:
    path = tmp_path / "cells.png"
    words = ["--iterations", 1, "-o", tmp_path / "syn.parquet", "--coverage", path]
    done = run_cli("distill", *SMALL, *words)
    assert done.code == 0, done.err
    colours = np.asarray(Image.open(path).convert("RGB")).reshape(-1, 3)
    assert len(np.unique(colours, axis=0)) > 100


def test_files_that_cannot_be_are_refused_before_any_work(
    run_cli: Callable[..., Any], tmp_path: Path
) -> None:
    output, same = tmp_path / "syn.parquet", tmp_path / "same.png"
    for words, said in [
        (["--coverage", tmp_path / "cells.txt"], "drawn as .png"),
        (["--coverage", same, "--plot", same], "named for two outputs"),
    ]:
        done = run_cli("distill", *SMALL, "-o", output, *words)
        assert done.code == 2
        assert said in done.err
    assert not output.exists()


def test_rows_of_a_class_lie_in_cells_of_its_own_images() -> None:
    """Images begin as real rows, so each has one row in its cell at least."""
    task, method = task_of(ipc=3), DM()
    state = start_of(method, task)
    found = covered_class(task, method.schedule(task), state.pixels, task.built(0), 1)
    assert len(found.rows) == 12
    assert len(found.images) == 3
    assert found.sizes.sum() == 12
    assert found.sizes.min() >= 1


def test_of_an_image_that_holds_several_pictures_each_has_a_cell() -> None:
    task, method = task_of(ipc=1), IDC()
    state = start_of(method, task)
    network = task.built(0)
    found = covered_class(task, method.schedule(task), state.pixels, network, 0)
    pictures = task.pool.images.normalise(255 * decoded(state.pixels[:1], 2))
    rows = task.pool.pictures(task.pool.members[0])
    network.eval()
    with torch.no_grad():
        away = torch.cdist(network.features(rows).double(), network.features(pictures).double())
    expected = away.argmin(1).bincount(minlength=4)
    assert found.sizes.tolist() == expected.tolist()
