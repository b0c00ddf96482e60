"""Wrong shapes fail at the call that made them, in tests."""

import pytest
import torch
from jaxtyping import TypeCheckError

from coreset_cli.kernels.matching import direction


def test_a_matrix_in_place_of_a_vector_fails():
    with pytest.raises(TypeCheckError, match="vector"):
        direction(torch.ones(3, 2), 1.0)
