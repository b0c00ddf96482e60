"""`coreset select` as a user types it: streams, formats, prefixes, digests."""

import numpy as np
import pytest


@pytest.fixture
def emb(tmp_path, make_points):
    path = tmp_path / "emb.npy"
    np.save(path, make_points(60, 5, 0))
    return path


def test_stdout_has_one_row_number_a_line(run_cli, emb):
    done = run_cli("select", "-m", "herding", "-r", "0.1", emb)
    assert done.code == 0
    assert len(done.rows) == len(set(done.rows)) == 6
    assert set(done.rows) <= set(range(60))
