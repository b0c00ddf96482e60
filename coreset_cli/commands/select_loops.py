"""Loops over rows are loaded, and the first time compiled, before anything is read."""

import numpy as np
import torch

from coreset_cli.artifacts.labels import Labels
from coreset_cli.commands.select_pseudo import clustering_of
from coreset_cli.commands.select_signals import made_up_signals
from coreset_cli.compose.judged import Judged
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.clustering import SphericalKMeans
from coreset_cli.kernels.points import SMALL, Points
from coreset_cli.seeds import Key, Rng
from coreset_cli.selector import Inputs, Selector, silent

__all__ = ["load_loops"]

WIDTH = 4096
"""Values of a made-up row; so many rows as make the smallest input that loops are compiled for."""


def load_loops(selector: Selector, values: int, device: torch.device) -> None:
    """Run a selector on a few made-up rows.

    So the memory of what compiles is known before the input's is planned, and a run of minutes does
    not begin with seconds that look like reading.

    Args:
        selector: whose loops.
        values: of the input; loops are not compiled for few.
        device: nor for others than the processor.
    """
    if values < SMALL or device.type != "cpu":
        return
    if isinstance(selector, Judged):
        load_loops(ByScore(method=selector.judge), values, device)
        load_loops(selector.method, values, device)
        return
    n = SMALL // WIDTH
    rows = np.sin(np.arange(SMALL, dtype=np.float32)).reshape(n, WIDTH)
    key = Key(np.arange(n), np.arange(n, dtype=np.uint64))
    points = Points(Matrix([Shard("made up", rows)]), key, device)
    method = selector
    if isinstance(selector, PerGroup):
        SphericalKMeans().codes(points, 2, Rng(0), silent)
    if isinstance(selector, PerClass | PerGroup):
        method, points = selector.method, points.one_thread()
    classes = Labels(np.zeros(n, np.int64), ("one",))
    signals = made_up_signals(n, 2, 2, selector.needs)
    scores = np.arange(n, dtype=np.float64)
    inputs = Inputs(key=key, points=points, classes=classes, signals=signals, scores=scores)
    method.select(inputs, 2, Rng(0))
    clustering = clustering_of(selector)
    if clustering is not None:
        clustering.by.brief().codes(points, 2, Rng(0), silent)
