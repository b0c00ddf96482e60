"""Cells of real rows about synthetic ones."""

import numpy as np
import torch
from scipy.spatial.distance import cdist

from coreset_cli.condensation.cells import clusters, nearest_cells


def test_each_row_is_in_the_cell_of_the_centre_nearest_to_it() -> None:
    generator = torch.Generator().manual_seed(0)
    rows, centres = (torch.randn(m, 5, generator=generator) for m in (40, 6))
    found = nearest_cells(rows, centres).numpy()
    np.testing.assert_array_equal(found, cdist(rows, centres).argmin(1))
    assert len(set(found.tolist())) > 1


def test_of_centres_equally_near_the_first_wins() -> None:
    rows = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    centres = torch.tensor([[1e3, 0.0], [0.0, 1.0], [0.0, -1.0], [0.0, 1.0]])
    assert nearest_cells(rows, centres).tolist() == [1, 1, 1]


def test_equal_distances_are_not_rounded_apart() -> None:
    """Two centres as far on either side of a row, far from the origin."""
    scale = torch.tensor([1.0, 1e3, 1e-2, 30.0])
    for row in torch.rand(20, 4, generator=torch.Generator().manual_seed(1)).mul(scale) + scale:
        step = torch.from_numpy(np.spacing(row.numpy())) * 2
        assert nearest_cells(row[None], torch.stack([row + step, row - step])).tolist() == [0]


def test_one_centre_is_one_cell() -> None:
    assert nearest_cells(torch.randn(5, 2), torch.zeros(1, 2)).tolist() == [0] * 5


def test_clusters_are_groups_of_rows_of_one_direction() -> None:
    generator = torch.Generator().manual_seed(0)
    directions = torch.eye(6)[:3] * 5
    group = torch.arange(3).repeat(10)
    rows = directions[group] + 0.1 * torch.randn(30, 6, generator=generator)
    found = clusters(rows * torch.rand(30, 1, generator=generator), 3, seed=1)
    together = found[:, None] == found
    assert torch.equal(together, group[:, None] == group)


def test_fewer_rows_than_clusters_are_one_cluster_each() -> None:
    found = clusters(torch.eye(3), 10, seed=0)
    assert sorted(found.tolist()) == [0, 1, 2]
