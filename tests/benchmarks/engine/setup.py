"""What one run of the benchmark is given: device, threads, and how long it may take."""

from dataclasses import dataclass

import numba
import torch

__all__ = ["Setup", "use_threads"]


@dataclass(frozen=True, kw_only=True)
class Setup:
    """How to measure.

    Args:
        device: where our kernels compute; the competitors stay on the processor.
        quick: fewer shapes and picks, each run shorter.
    """

    device: torch.device
    quick: bool

    @property
    def threads(self) -> int:
        """Threads of both torch and the compiled loops."""
        return torch.get_num_threads()

    @property
    def repeats(self) -> int:
        """Further runs, the best of which counts."""
        return 1 if self.quick else 2

    @property
    def budget(self) -> float:
        """Seconds that the picks of a timed run take at least."""
        return 0.2 if self.quick else 0.4


def use_threads(threads: int) -> None:
    """Let torch and the compiled loops have so many threads."""
    torch.set_num_threads(threads)
    numba.set_num_threads(threads)
