"""The loop: against torch's own descent, continued anywhere, and what it must leave alone."""

from dataclasses import dataclass, replace

import pytest
import torch
from tasks import run_of, start_of, task_of

from coreset_cli.condensation.condenser import Descent, Schedule
from coreset_cli.condensation.loop import condense, first_state
from coreset_cli.condensation.methods.dc import DC
from coreset_cli.condensation.methods.dm import DM
from coreset_cli.condensation.methods.dsa import DSA
from coreset_cli.errors import NotFinite


@dataclass(frozen=True, kw_only=True)
class Bowl:
    """A method whose loss is known: the squared distance of each class's pixels from 0.3."""

    rate: float = 0.1
    each_class: bool = False
    space: str = "normalised"
    steps: int = 3
    breaks_at: int = 99

    def schedule(self, task):
        return Schedule(
            iterations=4,
            steps=self.steps,
            rate=self.rate,
            momentum=0.5,
            start="noise",
            space=self.space,
            each_class=self.each_class,
            descent=Descent(rate=0.1, momentum=0.9),
        )

    def losses(self, step):
        ipc = step.task.ipc
        for code in step.classes:
            part = step.pixels[code * ipc : (code + 1) * ipc]
            factor = float("nan") if step.iteration == self.breaks_at else 1.0
            yield factor * (part - 0.3).square().sum()

    def train(self, step):
        step.memory["trained"] = step.memory.get("trained", 0.0) + 1


def test_pixels_move_as_torch_moves_them():
    task = task_of(ipc=2)
    found = run_of(Bowl(), task, 4)
    pixels = found[0].pixels.clone().requires_grad_()
    optimiser = torch.optim.SGD([pixels], lr=0.1, momentum=0.5)
    losses = []
    for _ in range(4):
        total = 0.0
        for _ in range(3):
            optimiser.zero_grad()
            loss = (pixels - 0.3).square().sum()
            loss.backward()
            optimiser.step()
            total += loss.item()
        losses.append(total / 3)
    torch.testing.assert_close(found[-1].pixels, pixels.detach())
    assert [state.loss for state in found[1:]] == pytest.approx(losses, rel=1e-5)


def test_a_step_a_class_moves_all_pixels_by_their_momentum():
    task = task_of(ipc=1)
    found = run_of(Bowl(each_class=True), task, 2)
    pixels = found[0].pixels.clone().requires_grad_()
    optimiser = torch.optim.SGD([pixels], lr=0.1, momentum=0.5)
    for _ in range(2 * 3):
        for code in range(2):
            optimiser.zero_grad()
            (pixels[code] - 0.3).square().sum().backward()
            optimiser.step()
    torch.testing.assert_close(found[-1].pixels, pixels.detach())


def test_pixels_from_0_to_1_are_clipped_before_an_iteration():
    task = task_of()
    start = first_state(torch.full((2, 1, 8, 8), 7.0))
    (end,) = condense(
        Bowl(space="unit", steps=1),
        task,
        Bowl(space="unit", steps=1).schedule(task),
        start,
        iterations=1,
    )
    torch.testing.assert_close(end.pixels, torch.full((2, 1, 8, 8), 1 - 0.1 * 2 * 0.7))
    assert end.loss == pytest.approx(2 * 64 * 0.49)


def test_memory_is_kept_and_training_happens_between_steps_only():
    states = run_of(Bowl(), task_of(), 3)
    assert [dict(state.memory) for state in states] == [
        {},
        {"trained": 2},
        {"trained": 4},
        {"trained": 6},
    ]


@pytest.mark.parametrize("method", [DM(), DC(steps=2, epochs=2), DSA(steps=2, epochs=2)])
@pytest.mark.parametrize("stop", [1, 2])
def test_continued_anywhere_it_is_one_run(method, stop):
    task = task_of(ipc=2)
    whole = run_of(method, task, 4)
    left = run_of(method, task, stop)[-1]
    *_, end = condense(method, task, method.schedule(task), left, iterations=4)
    assert torch.equal(end.pixels, whole[-1].pixels)
    assert torch.equal(end.velocity, whole[-1].velocity)
    assert end.loss == whole[-1].loss


def test_what_is_done_is_not_done_again():
    task = task_of()
    end = run_of(DM(), task, 2)[-1]
    assert list(condense(DM(), task, DM().schedule(task), end, iterations=2)) == []


def test_states_stay_as_they_were():
    task = task_of()
    states = run_of(DM(), task, 2)
    kept = [state.pixels.clone() for state in states]
    list(condense(DM(), task, DM().schedule(task), states[0], iterations=2))
    assert all(torch.equal(state.pixels, k) for state, k in zip(states, kept, strict=True))
    assert not torch.equal(kept[0], kept[1])


def test_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    run_of(DSA(steps=2, epochs=1), task_of(network="vgg16:width=2", side=32), 1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_loss_that_is_no_number_ends_the_run():
    task = task_of()
    method = Bowl(breaks_at=2)
    states = condense(method, task, method.schedule(task), start_of(method, task), iterations=4)
    assert [next(states).iteration, next(states).iteration] == [1, 2]
    with pytest.raises(NotFinite, match="step 1 of outer iteration 3, it was nan"):
        next(states)


def test_pixels_that_overflow_end_the_run():
    task = task_of()
    method = Bowl(rate=1e38)
    with pytest.raises(NotFinite, match="outer iteration 1"):
        run_of(method, task, 1)


def test_batch_statistics_come_from_rows_of_all_classes_and_hold_still():
    """Were they of the class alone, the other class's rows would not matter."""
    task = task_of(rows=20, network="convnet:width=4,depth=1,norm=batch")
    method = DM(augmentation="none")
    pixels = task.pool.images.pixels.clone()
    pixels[task.pool.members[1]] = 255 - pixels[task.pool.members[1]]
    images = replace(task.pool.images, pixels=pixels)
    other = replace(task, pool=replace(task.pool, images=images))
    start = first_state(torch.zeros(2, 1, 8, 8))
    ends = [
        next(condense(method, t, method.schedule(t), start, iterations=1)) for t in (task, other)
    ]
    assert not torch.equal(ends[0].pixels[0], ends[1].pixels[0])
