"""The output of a run, written as it is made."""

from collections.abc import Callable

import numpy as np
import pyarrow as pa

from coreset_cli.artifacts.manifest import Manifest
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.artifacts.subset import Subset, write_subset
from coreset_cli.commands.corrupting.job import Job, vector_data
from coreset_cli.commands.corrupting.orders import ATTACKS
from coreset_cli.commands.corrupting.pictures import Damage, DamagedPictures
from coreset_cli.commands.corrupting.pixels import PixelDamage
from coreset_cli.commands.corrupting.vectors import VECTORS, DamagedVectors
from coreset_cli.corruption.vectors import planned

__all__ = ["damages_of", "write"]


def write(job: Job, describe: Callable[[], Manifest], progress: Callable[[int, int], None]) -> None:
    """Read, damage and write; the output is whole or absent.

    Args:
        job: what is to be done.
        describe: the manifest.
        progress: called with rows done and rows in all.

    Raises:
        CoresetError: an image cannot be read, vectors that are not finite, or a full disk.
    """
    if isinstance(job.samples, Pictures):
        damaged = DamagedPictures(
            pictures=job.samples,
            names=job.samples.columns.names,
            replaced=job.columns(),
            damages=damages_of(job, job.samples),
            label=job.label,
        )
        damaged.write(job.request.output, describe, progress)
        return
    samples, damage = job.samples, None
    if job.orders.geometry is not None:
        damage = planned(
            samples.matrix,
            samples.ids.key(),
            job.marks,
            seed=job.request.seed,
            options=job.orders.geometry,
        )
    subset = Subset(
        data=DamagedVectors(data=vector_data(samples), replaced=job.columns(), damage=damage),
        rows=np.arange(len(job.samples.ids)),
        added=pa.table({}),
        column=VECTORS,
        describe=describe,
    )
    write_subset(job.request.output, job.form, subset, progress)


def damages_of(job: Job, pictures: Pictures) -> list[Damage]:
    """What is done to images, one after another; each row is hit by one of them at most."""
    request, orders = job.request, job.orders
    damages: list[Damage] = []
    plain = [mark for mark in job.marks if mark.kind not in ATTACKS]
    if orders.pixels is not None:
        damages.append(PixelDamage(pictures, plain, request.seed, orders.pixels))
    for mark in job.marks:
        if mark.kind in ATTACKS:
            from coreset_cli.commands.corrupting.attack import AttackDamage

            assert orders.attack is not None
            assert request.checkpoint is not None
            damages.append(
                AttackDamage(
                    pictures,
                    mark,
                    seed=request.seed,
                    settings=orders.attack,
                    checkpoint=request.checkpoint,
                    device=request.device,
                )
            )
    return damages
