import numpy as np
import pytest
import torch
from clouds import points_of

from coreset_cli.kernels import duplicates as module
from coreset_cli.kernels.duplicates import nearest_before
from coreset_cli.kernels.fixed import fixed


def cosines_before(rows):
    """Largest cosine of each row to a row before it; of zero rows to others 0, of copies 1."""
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    unit = rows / np.where(lengths > 0, lengths, 1)
    cosine = unit @ unit.T
    cosine[(rows[:, None] == rows).all(2)] = 1
    return np.array([cosine[i, :i].max() if i else -np.inf for i in range(len(rows))])


@pytest.mark.parametrize("block", [1, 7, 512])
def test_is_brute_force(block, monkeypatch):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 4)).astype(np.float32)
    rows[[9, 20]] = rows[3]
    rows[[5, 33]] = 0
    points = fixed(points_of(rows).unit())
    zero = torch.from_numpy(~rows.any(1))
    monkeypatch.setattr(module, "BLOCK_ROWS", block)
    one = 4.0**points.grid.step
    found = 1 - nearest_before(points.rows, zero, one).numpy() / 2 / one
    assert found == pytest.approx(cosines_before(rows.astype(float)), abs=1e-4)
    assert found[[9, 20, 33]].tolist() == [1, 1, 1]
