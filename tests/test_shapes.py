"""Wrong shapes fail at the call that made them, in tests."""

import pytest
import torch
from jaxtyping import TypeCheckError

from coreset_cli.kernels.matching import unit


def test_a_matrix_in_place_of_a_vector_fails():
    with pytest.raises(TypeCheckError, match="vector"):
        unit(torch.ones(3, 2))
