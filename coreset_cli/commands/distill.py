"""`distill`: images in, a small synthetic set out.

The state is kept while the work goes on, and a continued run gives the same set as one run.
"""

import time
from dataclasses import asdict

from coreset_cli.artifacts.manifest import Manifest
from coreset_cli.artifacts.synthetic import Synthetic, content_digest, write_synthetic
from coreset_cli.commands.distillation.coverage import draw_coverage
from coreset_cli.commands.distillation.figure import draw
from coreset_cli.commands.distillation.job import Job, Watch, loaded, opened, settings_of
from coreset_cli.commands.distillation.partial import Kept
from coreset_cli.commands.distillation.plan import Plan, plan
from coreset_cli.commands.distillation.request import Request
from coreset_cli.commands.unfinished import claimed
from coreset_cli.condensation.loop import State, condense, first_state
from coreset_cli.device import peak_memory
from coreset_cli.errors import NotFinite

__all__ = ["Plan", "Request", "distill", "plan"]

KEPT_SECONDS = 30.0
"""Time between two checkpoints, at least, where the user names no number of iterations."""

SHARE = 10
"""The first and the last of so many parts of a run whose losses the manifest states."""


def distill(request: Request, watch: Watch) -> Manifest:
    """Learn the images, or go on where an earlier run was stopped, and write them.

    Raises:
        CoresetError: whatever a user can act on.
    """
    started = time.perf_counter()
    job = loaded(opened(request), watch)
    with claimed(request.partial, "distill", job.key(), force=request.force):
        kept = Kept(request.partial)
        try:
            manifest = _written(job, kept, started, watch)
            kept.forget()
        finally:
            kept.tidy()
    return manifest


def _written(job: Job, kept: Kept, started: float, watch: Watch) -> Manifest:
    """Learn what is left to learn, and write the outputs."""
    request, start = job.inputs.request, job.start()
    state, losses = kept.found(start) or (first_state(start), [])
    before = state.iteration
    state = _condensed(job, kept, state, losses, watch)
    synthetic = job.synthetic(state.pixels)
    note = f"continued after outer iteration {before:,} of an earlier run"
    notes = (*job.notes, note) if before else job.notes
    manifest = _manifest(job, synthetic, losses, state, notes, started)
    write_synthetic(request.output, synthetic, lambda: manifest)
    if request.plot is not None:
        draw(synthetic, request.plot)
    if request.coverage is not None:
        draw_coverage(job, state.pixels, request.coverage)
    return manifest


def _condensed(job: Job, kept: Kept, state: State, losses: list[float], watch: Watch) -> State:
    """Run what is left; losses are added to those there are.

    However it ends, the last good state is kept.
    """
    every, total = job.inputs.request.checkpoint_every, job.iterations
    saved, since = state.iteration, time.monotonic()
    states = condense(job.inputs.method, job.task, job.schedule, state, iterations=total)
    try:
        for state in states:
            losses.append(state.loss)
            loss = f"loss {state.loss / job.task.classes:.4g}"
            watch("distilling", state.iteration, total, loss)
            made, passed = state.iteration - saved, time.monotonic() - since
            if made >= every if every else passed >= KEPT_SECONDS:
                kept.save(state, losses)
                saved, since = state.iteration, time.monotonic()
    except NotFinite as error:
        rate = f"--set rate={job.schedule.rate / 10:g}"
        good = f"{kept.path} holds the state after outer iteration {state.iteration:,}; "
        again = f"lower the rate ({rate}) and begin again with --force"
        raise NotFinite(f"{error}; {good if state.iteration else ''}{again}") from error
    finally:
        if state.iteration > saved:
            kept.save(state, losses)
    return state


def _manifest(
    job: Job,
    synthetic: Synthetic,
    losses: list[float],
    state: State,
    notes: tuple[str, ...],
    started: float,
) -> Manifest:
    request, schedule = job.inputs.request, job.schedule
    first, subset = job.inputs.first, job.inputs.subset
    part = max(1, len(losses) // SHARE)
    each = part * job.task.classes
    return Manifest(
        command="distill",
        parameters={
            "ipc": request.ipc,
            "model": job.inputs.spec.text,
            "iterations": job.iterations,
            "init": job.init,
            "init_digest": first and first.digest,
            "real_subset": subset and str(subset.path),
            "real_subset_digest": subset and subset.digest,
            "settings": settings_of(job.inputs.method),
            "schedule": {
                "steps": schedule.steps,
                "rate": schedule.rate,
                "momentum": schedule.momentum,
                "network": asdict(schedule.descent),
            },
            "column": request.column,
            "id": request.ids,
            "label": request.label,
        },
        inputs=(job.record,),
        seed=request.seed,
        method=request.method,
        count=len(synthetic.pixels),
        content_digest=content_digest(synthetic),
        device=str(job.task.device),
        seconds=round(time.perf_counter() - started, 3),
        peak_memory=peak_memory(),
        warnings=notes,
        facts={
            "iterations": len(losses),
            "loss_first": sum(losses[:part]) / each,
            "loss_last": sum(losses[-part:]) / each,
            **state.memory,
        },
    )
