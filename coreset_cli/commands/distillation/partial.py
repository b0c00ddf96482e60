"""Unfinished condensation: the state after an outer iteration, whole or absent."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import torch

from coreset_cli.condensation.loop import State
from coreset_cli.io.atomic import whole_file

__all__ = ["Kept"]

NAME = "state.npz"


@dataclass(frozen=True)
class Kept:
    """Where the state of a run is kept.

    Args:
        folder: of unfinished work, held by this process.
    """

    folder: Path

    @property
    def path(self) -> Path:
        """The file of the state."""
        return self.folder / NAME

    def save(self, state: State, losses: list[float]) -> None:
        """Keep a state in place of the one before.

        Args:
            state: after an outer iteration.
            losses: of all iterations so far.

        Raises:
            DiskFull: no space left.
        """
        with whole_file(self.path) as part, part.open("wb") as file:
            np.savez(
                file,
                pixels=state.pixels.cpu().numpy(),
                velocity=state.velocity.cpu().numpy(),
                losses=np.array(losses, np.float64),
                memory=np.frombuffer(json.dumps(dict(state.memory)).encode(), np.uint8),
            )

    def forget(self) -> None:
        """Remove the state: the output is written."""
        self.path.unlink(missing_ok=True)

    def tidy(self) -> None:
        """Remove the folder where it holds no state to go on from."""
        if not self.path.exists():
            shutil.rmtree(self.folder, ignore_errors=True)

    def found(self, like: torch.Tensor) -> tuple[State, list[float]] | None:
        """The state that was kept, with all losses so far; nothing where there is none to use.

        Args:
            like: [m c h w] pixels of the same run, on its device.
        """
        try:
            with self.path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                pixels, velocity, losses = (
                    arrays[name] for name in ("pixels", "velocity", "losses")
                )
                memory = json.loads(arrays["memory"].tobytes())
        except (OSError, ValueError, KeyError, EOFError, BadZipFile):
            return None  # it is absent or damaged: begin again
        if pixels.shape != like.shape or velocity.shape != like.shape or not len(losses):
            return None
        state = State(
            pixels=torch.from_numpy(pixels).to(like),
            velocity=torch.from_numpy(velocity).to(like),
            iteration=len(losses),
            loss=float(losses[-1]),
            memory=memory,
        )
        return state, losses.tolist()
