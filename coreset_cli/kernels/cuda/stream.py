"""Rows that pass through the memory of a device, chunk by chunk."""

from collections.abc import Iterator

import torch
from jaxtyping import Int16
from torch import Tensor

from coreset_cli.kernels.loops import BATCH

__all__ = ["BLOCK_VALUES", "fits", "streamed"]

BLOCK_VALUES = 1 << 25
"""Values converted to double precision at a time on a device: a few launches a pass."""

SHARE = 0.8
"""Part of the free memory of a device that rows may take; scores and blocks need the rest."""

CHUNK_BYTES = 64 << 20
"""Bytes of a chunk; two are held on the device and two in pinned memory."""


def fits(needed: int, device: torch.device) -> bool:
    """Whether rows of so many bytes may stay in the memory of a device.

    What torch has set aside and does not use counts as free.
    """
    if device.type != "cuda":
        return True
    free, _ = torch.cuda.mem_get_info(device)
    spare = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return needed <= SHARE * (free + spare)


def streamed(
    values: Int16[Tensor, "n d"], device: torch.device
) -> Iterator[tuple[int, Int16[Tensor, "b d"]]]:
    """First row and values of each chunk, on a device; while one is used, the next is on its way.

    Rows that are there already are one chunk. Values live until the next chunk is asked for.

    Args:
        values: on the device, or in memory of the host, mapped or not.
        device: where they are wanted.
    """
    n, d = values.shape
    if values.device == device:
        yield 0, values
        return
    step = max(1, CHUNK_BYTES // (2 * d) // BATCH) * BATCH
    spans = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if device.type != "cuda":
        yield from ((which.start, values[which].to(device)) for which in spans)
        return
    copies, used = torch.cuda.Stream(device), torch.cuda.current_stream(device)
    size = min(step, n)
    pinned = [torch.empty(size, d, dtype=torch.int16, pin_memory=True) for _ in range(2)]
    landed = [torch.empty(size, d, dtype=torch.int16, device=device) for _ in range(2)]
    arrived, left = ([torch.cuda.Event() for _ in range(2)] for _ in range(2))

    def send(turn: int) -> None:
        which, side = spans[turn], turn % 2
        arrived[side].synchronize()  # what was in the pinned buffer is on the device
        rows = which.stop - which.start
        pinned[side][:rows].copy_(values[which])
        copies.wait_event(left[side])
        with torch.cuda.stream(copies):
            landed[side][:rows].copy_(pinned[side][:rows], non_blocking=True)
            arrived[side].record(copies)

    for event in left:
        event.record(used)  # the buffers may have been something else until now
    try:
        for turn, which in enumerate(spans):
            if turn == 0:
                send(0)
            if turn + 1 < len(spans):
                send(turn + 1)
            used.wait_event(arrived[turn % 2])
            yield which.start, landed[turn % 2][: which.stop - which.start]
            left[turn % 2].record(used)
    finally:
        used.wait_stream(copies)
