"""A request that can be carried out: samples open, weights loaded, memory and disk looked at."""

import shutil
from dataclasses import dataclass

import numpy as np
import torch
from PIL.Image import Image

from coreset_cli.commands.embedding.feed import AHEAD
from coreset_cli.commands.embedding.request import Input, Request, opened
from coreset_cli.device import find_device, require_memory
from coreset_cli.encoders.encoder import Encoder
from coreset_cli.encoders.spec import family_of
from coreset_cli.errors import BrokenImage, DiskFull
from coreset_cli.io.image import decode

__all__ = ["Job", "prepare"]

LAYERS = 3
"""Memory that a batch takes to compute, in multiples of its largest layer; measured on a processor
were 1.0 (ConvNet), 1.1 to 2.5 (ResNets) and 2.8 (ViT-B/32)."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request whose inputs are open and whose encoder is loaded.

    Args:
        request: what was asked for.
        found: the samples.
        encoder: at work.
        batch: samples computed at once.
    """

    request: Request
    found: Input
    encoder: Encoder
    batch: int

    @property
    def bytes(self) -> int:
        """Of the vectors of all rows, as stored."""
        return len(self.found) * self.encoder.width * np.dtype(self.request.dtype).itemsize

    @property
    def memory(self) -> int:
        """Bytes that weights and batches take, about; any number of rows takes as much."""
        encoder = self.encoder
        sample = (AHEAD + 1) * encoder.sample_bytes + LAYERS * encoder.live_bytes
        return encoder.weight_bytes + self.batch * sample

    def key(self) -> dict[str, object]:
        """Everything that decides the vectors."""
        return {
            "encoder": self.request.spec.kind,
            "weights": self.encoder.digest,
            "modality": self.request.modality,
            "column": self.request.column,
            "dtype": self.request.dtype,
            "batch": self.batch,
            "device": self.encoder.device.type,
            "rows": len(self.found),
            "ids": self.found.source.ids.digest(),
            "torch": torch.__version__,
        }


def prepare(request: Request) -> Job:
    """Check everything that can be checked before the first sample is computed.

    Raises:
        CoresetError: whatever a user can act on.
    """
    request.refuse_early()
    spec = request.spec
    family = family_of(spec)
    device = find_device(request.device)
    found = opened(request)
    encoder = family.make(spec, request.modality, device, lambda: _first_image(found))
    job = Job(request=request, found=found, encoder=encoder, batch=request.batch or encoder.batch)
    require_memory(
        request.max_memory, job.memory, f"embedding in batches of {job.batch}", "lower --batch"
    )
    free = shutil.disk_usage(request.output.parent).free
    if 2 * job.bytes > free and not request.partial.exists():
        raise DiskFull(
            f"{request.output} takes {job.bytes / 1e6:,.0f} MB, twice that while it is written, "
            f"and {free / 1e6:,.0f} MB are free; use --dtype float16, or write elsewhere"
        )
    return job


def _first_image(found: Input) -> Image | None:
    for _, images in found.source.batches():
        for image in images:
            try:
                return None if isinstance(image, str) else decode(image)
            except BrokenImage:
                continue
    return None
