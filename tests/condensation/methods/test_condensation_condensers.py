"""What every method of condensation keeps to; a new file is tested before its author writes one."""

import inspect
import sys
from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch
from tasks import judged, run_of, task_of

from coreset_cli.commands.register import condenser_names, make_condenser
from coreset_cli.condensation.condenser import Condenser
from coreset_cli.condensation.loop import condense
from coreset_cli.condensation.pool import pool_of

SMALL = {"steps": "2", "epochs": "1", "trained": "32", "batch": "8", "rate": "0.05"}


def small(name):
    """The method with few and short rounds."""
    known = {field.name for field in fields(make_condenser(name, {}))}
    return make_condenser(name, {key: value for key, value in SMALL.items() if key in known})


@pytest.fixture(params=condenser_names())
def name(request):
    return request.param


def test_defaults_construct_and_are_a_condenser(name):
    method = make_condenser(name, {})
    assert isinstance(method, Condenser)
    schedule = method.schedule(task_of(ipc=10))
    assert schedule.iterations >= 100
    assert schedule.steps >= 1


def test_parameters_survive_as_texts(name):
    method = make_condenser(name, {})
    texts = {key: str(value).lower() for key, value in asdict(method).items()}
    assert make_condenser(name, texts) == method


def test_the_text_names_its_source_and_cost(name):
    told = inspect.getdoc(sys.modules[type(make_condenser(name, {})).__module__])
    assert "\nSource: " in told
    assert "\nCost: " in told


def test_the_same_seed_gives_the_same_pixels_and_another_others(name):
    method = small(name)
    one, again = (run_of(method, task_of(ipc=2), 2)[-1] for _ in range(2))
    assert torch.equal(one.pixels, again.pixels)
    assert not torch.equal(one.pixels, run_of(method, task_of(ipc=2, seed=1), 2)[-1].pixels)


def test_continued_it_is_one_run(name):
    method, task = small(name), task_of(ipc=2)
    whole = run_of(method, task, 3)
    left = replace(whole[1], memory=dict(whole[1].memory))
    *_, end = condense(method, task, method.schedule(task), left, iterations=3)
    assert torch.equal(end.pixels, whole[3].pixels)
    assert dict(end.memory) == dict(whole[3].memory)


def test_the_order_of_the_file_decides_nothing(name):
    method, task = small(name), task_of(ipc=2)
    images = task.pool.images
    order = np.random.default_rng(0).permutation(len(images))
    mixed = replace(
        task, pool=pool_of(images.take(order), order, np.arange(len(order)), task.classes)
    )
    one, other = (run_of(method, t, 2)[-1].pixels for t in (task, mixed))
    torch.testing.assert_close(one, other, rtol=0, atol=1e-5)


def test_it_lowers_its_own_loss(name):
    method, task = small(name), task_of()
    states = run_of(method, task, 20)
    assert judged(method, task, states[-1]) < judged(method, task, states[0])


@pytest.mark.parametrize("shape", [{"channels": 3, "side": 10}, {"classes": 3, "rows": 12}])
def test_other_shapes(name, shape):
    states = run_of(small(name), task_of(ipc=3, **shape), 1)
    assert states[-1].pixels.isfinite().all()
    assert not torch.equal(states[-1].pixels, states[0].pixels)


def test_networks_with_batch_statistics(name):
    task = task_of(ipc=2, network="resnet18:width=2")
    assert run_of(small(name), task, 1)[-1].pixels.isfinite().all()
