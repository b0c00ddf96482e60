"""Synthetic sets: what their pixels are, and whether they are as they were written."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from coreset_cli.artifacts.synthetic import (
    Synthetic,
    content_digest,
    digest_fault,
    read_unchecked,
    require_usable,
)
from coreset_cli.commands.inspection.found import Info, Question, counts_of
from coreset_cli.errors import CoresetError

__all__ = ["synthetic_found"]


def synthetic_found(question: Question) -> Info:
    """Read all pixels; what is wrong with them becomes a fault."""
    path = Path(question.path)
    found, manifest = read_unchecked(path)
    faults = [digest_fault(found, manifest)]
    try:
        require_usable(found, question.path)
    except CoresetError as error:
        faults.append(str(error))
    _, c, h, w = found.pixels.shape
    return Info(
        path=question.path,
        kind="synthetic",
        rows=len(found.pixels),
        width=c * h * w,
        dtype=found.pixels.dtype.name,
        shapes={f"{h} × {w} {'grey' if c == 1 else 'colour'}": len(found.pixels)},
        files=(question.path,),
        ids="integer",
        classes=counts_of(found.labels),
        content_digest=content_digest(found),
        manifest=asdict(manifest),
        facts=_facts(found),
        faults=tuple(fault for fault in faults if fault is not None),
    )


def _facts(found: Synthetic) -> Mapping[str, Any]:
    """What a reader wants first."""
    each = "not as many in each" if found.ipc is None else str(found.ipc)
    pictures = "" if found.factor == 1 else f", each decoded to {found.factor**2} pictures"
    between = ""
    if found.pixels.size:
        between = f", {found.pixels.min():.3g} to {found.pixels.max():.3g}"
    return {
        "a class": each + pictures,
        "space": found.space + between,
        "mean": ", ".join(f"{value:.4g}" for value in found.mean),
        "std": ", ".join(f"{value:.4g}" for value in found.std),
        "factor": found.factor,
        "augmented": found.augmentation,
    }
