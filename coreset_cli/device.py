"""Where a run computes, and how much memory it may use."""

import os
import re
import resource
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING

from coreset_cli.errors import DeviceUnavailable, DoesNotFit, InvalidParameter

if TYPE_CHECKING:
    import torch

__all__ = [
    "START_UP",
    "anonymous_memory",
    "cgroup_room",
    "computes_in_bfloat16",
    "find_device",
    "memory_limit",
    "parse_bytes",
    "peak_memory",
    "require_memory",
    "watched_memory",
]

START_UP = 512 << 20
"""Anonymous memory of the interpreter with all libraries loaded.

Measured with torch 2.15: 300 MiB for torch and pyarrow, 385 MiB with scikit-learn and matplotlib;
the rest is room for other versions and for the stacks of many threads.
"""

VARIES = 16 << 20
"""Bytes by which what start-up takes differs from run to run, with room to spare."""

LOOK_SECONDS = 0.01
"""Time between two looks at the memory of this process."""

_UNITS = {"": 0, "K": 10, "M": 20, "G": 30, "T": 40}


def find_device(name: str) -> "torch.device":
    """The device a user named.

    Args:
        name: `auto`, `cpu`, `cuda` or `cuda:i`.

    Raises:
        DeviceUnavailable: no such CUDA device on this machine.
        InvalidParameter: not a name of a device.
    """
    import torch

    if not re.fullmatch(r"auto|cpu|cuda(:\d+)?", name):
        raise InvalidParameter(f"unknown device '{name}'; use auto, cpu, cuda or cuda:0")
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if name.startswith("cuda"):
        index = int(name.partition(":")[2] or 0)
        if index >= torch.cuda.device_count():
            raise DeviceUnavailable(f"no device {name} on this machine; use --device cpu")
    return torch.device(name)


def computes_in_bfloat16(device: "torch.device") -> bool:
    """Whether a device multiplies in bfloat16 itself; elsewhere it is emulated, and slower.

    Args:
        device: CUDA devices are taken to; a processor has to say so.
    """
    if device.type != "cpu":
        return device.type == "cuda"
    try:
        words = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return False
    return not words.isdisjoint({"avx512_bf16", "amx_bf16"})


def parse_bytes(text: str) -> int:
    """Bytes from `8G`, `512M`, `2.5GiB` or a plain number; K, M, G and T are powers of 1024.

    Raises:
        InvalidParameter: not an amount of memory.
    """
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?\s*", text, re.IGNORECASE)
    if not found:
        raise InvalidParameter(f"cannot read '{text}' as an amount of memory; write 8G or 512M")
    return int(float(found[1]) * (1 << _UNITS[found[2].upper()]))


def memory_limit(text: str | None) -> int:
    """Bytes of anonymous memory this process may use, libraries included.

    Args:
        text: what the user typed; nothing means 80 % of what the machine or the cgroup has free.

    Raises:
        DoesNotFit: below what start-up needs.
    """
    limit = int(0.8 * _free_memory()) if text is None else parse_bytes(text)
    if limit < START_UP:
        raise DoesNotFit(
            f"{limit >> 20} MiB of memory are fewer than the {START_UP >> 20} MiB that start-up "
            "needs; raise --max-memory or free memory"
        )
    return limit


def require_memory(
    limit: int, needed: int, purpose: str, remedy: str, *, held: int = START_UP
) -> None:
    """Refuse a step that would not fit, before it allocates.

    Args:
        limit: bytes the process may use, from `memory_limit`.
        needed: bytes the step allocates beside what is held.
        purpose: what the memory is for, as in a sentence.
        remedy: what the user can do.
        held: bytes the process holds before the step.

    Raises:
        DoesNotFit: what is held and the step together pass the limit; it says what would do.
    """
    if held + needed > limit:
        enough = -(-(held + needed + VARIES) // VARIES) * VARIES
        raise DoesNotFit(
            f"{purpose} needs {_show(needed)} beside the {_show(held)} of start-up, and "
            f"--max-memory is {_show(limit)}; {remedy}; --max-memory {enough >> 20}M would do"
        )


def anonymous_memory() -> int:
    """Bytes of anonymous memory this process holds now; 0 where the system does not say."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return 0
    found = re.search(r"^RssAnon:\s+(\d+) kB", status, re.MULTILINE)
    return int(found[1]) << 10 if found else 0


def peak_memory() -> int:
    """Bytes of the largest resident set of this process so far, mapped files included."""
    unit = 1 if sys.platform == "darwin" else 1 << 10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def watched_memory() -> Iterator[Callable[[], int]]:
    """Watch the anonymous memory of this process; what is given says the largest amount so far.

    The system keeps no such record: a thread looks a hundred times a second. Where the system does
    not say how much memory is anonymous, the largest resident set stands for it.
    """
    largest, ended = anonymous_memory(), Event()

    def look() -> int:
        nonlocal largest
        largest = max(largest, anonymous_memory())
        return largest or peak_memory()

    def watch() -> None:
        while not ended.wait(LOOK_SECONDS):
            look()

    watcher = Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield look
    finally:
        ended.set()
        watcher.join()


def cgroup_room(group: Path) -> int | None:
    """Bytes that processes of a control group may still allocate; nothing where it sets no limit.

    Cached files count as used in `memory.current`, but make room when it is needed.

    Args:
        group: folder of the group (version 2).
    """
    try:
        limit = (group / "memory.max").read_text().strip()
        used = int((group / "memory.current").read_text())
        stat = (group / "memory.stat").read_text()
    except OSError:
        return None
    if limit == "max":
        return None
    cached = sum(int(n) for n in re.findall(r"^(?:in)?active_file (\d+)$", stat, re.MULTILINE))
    return max(0, int(limit) - used + cached)


def _free_memory() -> int:
    """The lesser of the machine's available memory and the cgroup's room."""
    room = cgroup_room(Path("/sys/fs/cgroup"))
    try:
        meminfo = Path("/proc/meminfo").read_text()
    except OSError:
        free = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    else:
        found = re.search(r"^MemAvailable:\s+(\d+) kB", meminfo, re.MULTILINE)
        free = int(found[1]) << 10 if found else 4 << 30
    return free if room is None else min(free, room)


def _show(amount: int) -> str:
    return f"{amount / (1 << 30):.1f} GiB" if amount >= 1 << 30 else f"{amount >> 20} MiB"
