"""Matching of curvature beside gradients: what it adds to its base, and when it adds nothing."""

import pytest
import torch
from tasks import judged, run_of, start_of, step_of, task_of

from coreset_cli.condensation.curvature import Answers, curvature_gap
from coreset_cli.condensation.gradients import both_answers
from coreset_cli.condensation.loop import condense
from coreset_cli.condensation.methods.dc import DC
from coreset_cli.condensation.methods.dsa import DSA
from coreset_cli.condensation.methods.lcmat_c import LcmatC
from coreset_cli.errors import InvalidParameter

SHORT = {"steps": 2, "epochs": 1}


@pytest.mark.parametrize("nothing", [{"c": 0.0}, {"c_mode": "relative", "c_rel": 0.0}])
@pytest.mark.parametrize(("base", "method"), [("dsa", DSA), ("dc", DC)])
def test_without_weight_it_is_its_base_bit_for_bit(
    base: str, method: type, nothing: dict[str, object]
) -> None:
    task = task_of(ipc=2)
    ours = run_of(LcmatC(base=base, **SHORT, **nothing), task, 3)
    theirs = run_of(method(**SHORT), task, 3)
    assert torch.equal(ours[-1].pixels, theirs[-1].pixels)
    assert ours[-1].loss == theirs[-1].loss
    assert not torch.equal(ours[0].pixels, ours[-1].pixels)


@pytest.mark.parametrize("gap", ["top", "max", "l1", "l2"])
def test_the_loss_is_that_of_the_base_and_c_times_the_gaps(gap: str) -> None:
    task = task_of(ipc=2)
    plain = run_of(DSA(steps=1), task, 1)[-1].loss
    step = step_of(DSA(), task, start_of(DSA(), task))
    gaps = sum(
        float(
            curvature_gap(
                *both_answers(step, code, batch=256), curvature="hessian", gap=gap, coordinates=5
            ).detach()
        )
        for code in range(2)
    )
    assert gaps > 0
    found = run_of(LcmatC(c=0.5, gap=gap, coordinates=5, steps=1), task, 1)[-1].loss
    assert found == pytest.approx(plain + 0.5 * gaps, rel=1e-5)


def test_variances_are_of_all_classes_together_and_of_as_many_rows_of_each() -> None:
    """One image a class: within a class it has no variance at all."""
    task = task_of(ipc=1)
    plain = run_of(DSA(steps=1), task, 1)[-1].loss
    step = step_of(DSA(), task, start_of(DSA(), task))
    both = [both_answers(step, code, batch=256) for code in range(2)]
    real, synthetic = (
        Answers(
            logits=torch.cat([pair[side].logits for pair in both]),
            features=torch.cat([pair[side].features for pair in both]),
            targets=torch.cat([pair[side].targets for pair in both]),
        )
        for side in (0, 1)
    )
    gap = curvature_gap(real, synthetic, curvature="gradient-variance", gap="top", coordinates=100)
    found = run_of(LcmatC(c=0.5, curvature="gradient-variance", steps=1), task, 1)[-1].loss
    assert found == pytest.approx(plain + 0.5 * float(gap.detach()), rel=1e-5)


@pytest.mark.parametrize("curvature", ["hessian", "gradient-variance"])
def test_a_relative_weight_is_set_once_by_the_first_step(curvature: str) -> None:
    task = task_of(ipc=2)
    method = LcmatC(c_mode="relative", c_rel=0.25, curvature=curvature, steps=1)
    plain = run_of(DSA(steps=1), task, 1)[-1].loss
    states = run_of(method, task, 3)
    assert states[1].loss == pytest.approx(1.25 * plain, rel=1e-5)
    assert states[1].memory["c"] > 0
    assert states[3].memory == states[1].memory


def test_a_run_goes_on_with_the_weight_it_had() -> None:
    task = task_of(ipc=2)
    method = LcmatC(c_mode="relative", steps=1)
    states = run_of(method, task, 3)
    again = list(condense(method, task, method.schedule(task), states[2], iterations=3))
    assert torch.equal(again[-1].pixels, states[3].pixels)


@pytest.mark.parametrize(
    "settings",
    [{}, {"c": 0.1, "curvature": "gradient-variance"}, {"base": "dc", "c_mode": "relative"}],
)
def test_it_lowers_its_own_loss(settings: dict[str, object]) -> None:
    task, method = task_of(), LcmatC(**settings)
    states = run_of(method, task, 20)
    first, last = (judged(method, task, state) for state in (states[1], states[-1]))
    assert last < 0.9 * first


@pytest.mark.parametrize(
    "settings", [{"c": -1.0}, {"c_rel": float("inf")}, {"coordinates": 0}, {"rate": 0.0}]
)
def test_impossible_settings_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(InvalidParameter, match="lcmat-c"):
        LcmatC(**settings)
