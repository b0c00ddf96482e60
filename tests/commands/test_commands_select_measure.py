"""Time of a run from a part of it; no clock is compared."""

import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.commands import select_measure
from coreset_cli.commands.select_measure import extended, grown, measured_times
from coreset_cli.compose.keep import ByScore
from coreset_cli.compose.per_class import PerClass
from coreset_cli.methods import facility_location
from coreset_cli.methods.easy import Easy
from coreset_cli.methods.facility_location import FacilityLocation
from coreset_cli.methods.gm import Gm
from coreset_cli.methods.k_center import KCenter
from coreset_cli.methods.random import Random
from coreset_cli.selector import Inputs

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("n", "few", "many", "expected"),
    [
        (1000, (100, 3.0), (200, 5.0), 21.0),  # 1 s, and 2 s for every hundred rows
        (200, (100, 3.0), (200, 5.0), 5.0),
        (1000, (100, 5.0), (200, 3.0), 3.0),  # noise: more rows took less
        (100, (100, 5.0), (100, 5.0), 5.0),
    ],
)
def test_a_line_through_two_measurements(n, few, many, expected):
    assert extended(n, few, many) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("n", "few", "many", "expected"),
    [
        (1000, (100, 1.0), (200, 4.0), 100.0),  # all pairs
        (1000, (100, 1.0), (200, 9.0), 225.0),  # and something else that comes in once
        (1000, (100, 3.0), (200, 5.0), 21.0),
        (1000, (100, 5.0), (100, 5.0), 5.0),
        (200, (100, 1.0), (200, 4.0), 4.0),
    ],
)
def test_the_square_of_the_rows_where_seconds_grow_too_fast_for_a_line(n, few, many, expected):
    assert grown(n, few, many) == pytest.approx(expected)


def test_few_rows_are_measured_where_all_pairs_are_looked_at(data, monkeypatch):
    """A method that takes 0.02 s for 50 rows and 0.08 s for 100 is not run on 2,000."""
    monkeypatch.setattr(select_measure, "SAMPLE_BYTES", 2 * 8 * 2000)
    monkeypatch.setattr(select_measure, "START_ROWS", 50)
    monkeypatch.setattr(select_measure, "SMALL", 1)
    monkeypatch.setattr(select_measure, "BEFORE_SECONDS", 0.03)
    seen = []

    class Slow(Random):
        def select(self, data: Inputs, k, rng):
            seen.append(data.n)
            time.sleep(0.02 * (data.n / 50) ** 2)
            return super().select(data, k, rng)

    times = measured_times(data, Slow(), 1, device=CPU, room=1 << 30)
    assert set(seen) == {50, 100}
    assert times.centre > 0.02 * 60**2


@pytest.fixture
def data(tmp_path, make_points):
    np.save(tmp_path / "a.npy", make_points(3000, 8, 0))
    (tmp_path / "labels.txt").write_text("\n".join(str(i % 7) for i in range(3000)))
    return open_embeddings((str(tmp_path / "a.npy"),), label=str(tmp_path / "labels.txt"))


@pytest.mark.parametrize(
    "selector",
    [
        Gm(),
        KCenter(),
        Random(),
        ByScore(method=Easy()),
        ByScore(method=Easy(scope="global")),
        PerClass(method=Gm()),
        PerClass(method=ByScore(method=Easy()), balance="equal"),
    ],
    ids=lambda selector: str(selector)[:40],
)
@pytest.mark.parametrize("k", [1, 700])
def test_every_way_to_select_is_measured(data, selector, k):
    """One pick is made before picking begins, and methods that rank tell of none."""
    times = measured_times(data, selector, k, device=CPU, room=1 << 30)
    assert times.reading > 0
    assert times.centre > 0
    one_by_one = isinstance(getattr(selector, "method", selector), Gm | KCenter)
    assert (times.picking > 0) == (k > 1 and one_by_one)


def test_a_long_run_is_cut_short(data, monkeypatch):
    """After the first look at the clock, however many picks are asked for."""
    monkeypatch.setattr(select_measure, "MOST_PICK_SECONDS", 0.0)
    made = []

    class Watched(KCenter):
        def select(self, data: Inputs, k, rng):
            def progress(done, total):
                made.append(done)
                data.progress(done, total)

            return super().select(replace(data, progress=progress), k, rng)

    measured_times(data, Watched(), 2000, device=CPU, room=1 << 30)
    assert max(made) <= 2


def test_picks_take_no_longer_than_the_passes_that_are_stated(data, monkeypatch):
    """3,000 rows, all measured: 2 · 3,000 + 120 passes took 6.12 s, and 699 · 120 are left."""
    made = select_measure._Run(before=6.12, pick=9.0)
    monkeypatch.setattr(select_measure, "_run", lambda selector, inputs, k: made)
    monkeypatch.setattr(facility_location, "state_bytes", lambda n: 0)  # as where no matrix is held
    times = measured_times(data, FacilityLocation(), 700, device=CPU, room=1 << 30)
    assert times.picking == pytest.approx(699 * 120 * 1e-3, rel=1e-9)
    assert times.centre == 6.12
    times = measured_times(data, KCenter(), 700, device=CPU, room=1 << 30)
    assert times.picking == pytest.approx(699 * 9.0, rel=1e-9)


def test_only_a_part_of_a_large_input_is_read(data, monkeypatch):
    monkeypatch.setattr(select_measure, "SAMPLE_BYTES", 2 * 8 * 100)
    monkeypatch.setattr(select_measure, "START_ROWS", 50)
    monkeypatch.setattr(select_measure, "SMALL", 1)
    seen = []

    class Watched(Random):
        def select(self, data: Inputs, k, rng):
            seen.append((data.n, k))
            return super().select(data, k, rng)

    measured_times(data, Watched(), 70, device=CPU, room=1 << 30)
    assert seen == [(50, 50), (100, 70)]


@pytest.mark.parametrize("told", [(0, 0, 0, 0), (0, 2, 5, 0, 1), (3, 3)])
def test_picks_that_are_told_of_all_at_once_or_again_are_measured(told, data):
    """Work on something else tells of as many picks again and again, work begun anew of fewer."""

    class Telling(Random):
        def select(self, data: Inputs, k, rng):
            for done in told:
                data.progress(done, k)
            return super().select(data, k, rng)

    times = measured_times(data, Telling(), 7, device=CPU, room=1 << 30)
    assert times.picking >= 0
    assert times.centre >= 0
