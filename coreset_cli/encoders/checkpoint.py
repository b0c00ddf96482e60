"""A network that `evaluate` trained: the features that its last layer reads."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from coreset_cli.encoders.spec import EncoderSpec, First, Modality
from coreset_cli.errors import FileMissing, InvalidParameter
from coreset_cli.io.image import pixels

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from coreset_cli.encoders.encoder import Encoder

__all__ = ["make", "require"]

BATCH = 256


def require(spec: EncoderSpec, modality: Modality) -> None:
    """Look for the file.

    Raises:
        InvalidParameter: texts.
        FileMissing: it is not there.
    """
    if modality != "image":
        raise InvalidParameter("a checkpoint encodes images; for texts use open_clip")
    if not Path(spec.model).is_file():
        raise FileMissing(
            f"no checkpoint {spec.model}; write one with `coreset evaluate --save-model`"
        )


def make(spec: EncoderSpec, modality: Modality, device: "torch.device", first: First) -> "Encoder":
    """Load the network and its card.

    Raises:
        ArtifactError: the file is no checkpoint, or damaged.
    """
    import torch

    from coreset_cli.encoders.encoder import Encoder, live_bytes, settled, upright, weight_bytes
    from coreset_cli.training.checkpoint import checkpoint_digest, load_checkpoint

    path = Path(spec.model)
    network, card = load_checkpoint(path)
    network = settled(network, device).to(memory_format=torch.channels_last)
    scale = 255 * torch.tensor(card.std, device=device)[:, None, None]
    shift = 255 * torch.tensor(card.mean, device=device)[:, None, None]

    def forward(batch: "Tensor") -> "Tensor":
        return network.features(upright((batch.float() - shift) / scale))

    height, width = card.shape or (card.size, card.size)
    probe = torch.zeros(1, card.channels, height, width, device=device)
    return Encoder(
        text=spec.text,
        width=network.dimension,
        batch=BATCH,
        digest=checkpoint_digest(path),
        prepare=partial(_values, shape=(height, width), channels=card.channels),
        forward=forward,
        device=device,
        sample_bytes=probe.nbytes,
        weight_bytes=weight_bytes(network),
        live_bytes=live_bytes(network, forward, probe),
    )


def _values(image: Image.Image, *, shape: tuple[int, int], channels: int) -> "Tensor":
    """[c h w] pixels of an image, resized as `evaluate` resizes."""
    import torch

    size = (shape[1], shape[0])
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)
    values = pixels(image, channels).transpose(2, 0, 1)
    return torch.from_numpy(np.ascontiguousarray(values))
