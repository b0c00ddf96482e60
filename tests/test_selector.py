from dataclasses import dataclass

import numpy as np
import pytest
from clouds import inputs_of

from coreset_cli.errors import InfeasibleBudget, MissingInput
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Picks, Selector, choose, needs


@dataclass(frozen=True)
class Given:
    """Picks that were decided before."""

    rows: tuple[int, ...]
    needs = needs("embeddings", "labels")
    exact = prefix = True

    def select(self, data, k, rng):
        return Picks(rows=np.array(self.rows))

    def cost(self, n, k):
        return Cost()


ROWS = np.zeros((4, 2), np.float32)


def test_picks_pass_through():
    assert isinstance(Given((3, 0)), Selector)
    assert choose(Given((3, 0)), inputs_of(ROWS, [0] * 4), 2, Rng(0)).rows.tolist() == [3, 0]


@pytest.mark.parametrize("rows", [(0,), (0, 1, 2), (1, 1), (0, 4), (-1, 0)])
def test_a_broken_contract_is_a_bug(rows):
    with pytest.raises(AssertionError, match="2 distinct rows"):
        choose(Given(rows), inputs_of(ROWS, [0] * 4), 2, Rng(0))


@pytest.mark.parametrize("k", [0, 5])
def test_budgets_are_checked_before_the_method_runs(k):
    with pytest.raises(InfeasibleBudget, match=f"cannot pick {k} of 4 rows"):
        choose(Given((0,)), inputs_of(ROWS, [0] * 4), k, Rng(0))


def test_missing_inputs_are_named_with_the_option():
    with pytest.raises(MissingInput, match="--label"):
        choose(Given((0,)), inputs_of(ROWS), 1, Rng(0))


def test_needs_are_fields():
    assert needs("labels") == {"labels"}
    with pytest.raises(ValueError, match="labls"):
        needs("labls")
