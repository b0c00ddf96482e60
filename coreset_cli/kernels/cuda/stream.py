"""Rows that pass through the memory of a device, chunk by chunk."""

from collections.abc import Iterator

import torch
from jaxtyping import Int16
from torch import Tensor

__all__ = ["fits", "streamed"]

SHARE = 0.8
"""Part of the free memory of a device that rows may take; scores and blocks need the rest."""

CHUNK_BYTES = 256 << 20
"""Bytes of a chunk on its way; three are under way at a time, two of them in pinned memory."""


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
) -> Iterator[tuple[slice, Int16[Tensor, "b d"]]]:
    """Which rows, and their values on a device; while one chunk is used, the next is on its way.

    Values live until the next chunk is asked for.

    Args:
        values: in memory of the host, mapped or not.
        device: where they are wanted.
    """
    n, d = values.shape
    step = max(1, CHUNK_BYTES // (2 * d))
    spans = [slice(start, min(start + step, n)) for start in range(0, n, step)]
    if device.type != "cuda":
        yield from ((which, values[which].to(device)) for which in spans)
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
            yield which, landed[turn % 2][: which.stop - which.start]
            left[turn % 2].record(used)
    finally:
        used.wait_stream(copies)
