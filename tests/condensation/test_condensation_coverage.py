"""Which real rows each synthetic image stands for."""

import numpy as np
import torch
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from coreset_cli.condensation.coverage import covered


def test_the_plane_is_that_of_principal_components_and_cells_are_of_all_features() -> None:
    generator = torch.Generator().manual_seed(0)
    scale = torch.tensor([5.0, 3.0, 1.0, 1.0, 1.0])
    rows, images = (torch.randn(m, 5, generator=generator) * scale for m in (50, 4))
    found = covered(rows, images)
    expected = PCA(2).fit_transform(torch.cat([rows, images]).double().numpy())
    together = np.concatenate([found.rows, found.images])
    for ours, theirs in zip(together.T, expected.T, strict=True):
        assert abs(np.corrcoef(ours, theirs)[0, 1]) > 0.99999
    nearest = cdist(rows, images).argmin(1)
    np.testing.assert_array_equal(found.cells, nearest)
    np.testing.assert_array_equal(found.sizes, np.bincount(nearest, minlength=4))


def test_an_image_that_stands_for_no_row_has_a_cell_of_0() -> None:
    rows = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    images = torch.tensor([[0.0, 0.0], [50.0, 50.0]])
    assert covered(rows, images).sizes.tolist() == [3, 0]
