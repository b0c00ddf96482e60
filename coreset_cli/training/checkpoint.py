"""Trained networks as files: tensors and JSON, and nothing that could run.

A file is torch's own container with the weights and a card: the architecture, the classes, how
pictures are normalised and what the network was trained on.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from pickle import UnpicklingError
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import torch
from torch import Tensor, nn

from coreset_cli.errors import (
    ArtifactError,
    ArtifactIncomplete,
    InvalidParameter,
    NotFinite,
    SchemaMismatch,
)
from coreset_cli.io.access import read_errors
from coreset_cli.io.atomic import whole_file
from coreset_cli.training.card import Card, read_card
from coreset_cli.training.networks import Network, build, network_spec

__all__ = ["Card", "checkpoint_digest", "load_checkpoint", "save_checkpoint"]

FORMAT = "coreset checkpoint"
VERSION = 1

BROKEN = (
    AssertionError,
    AttributeError,
    BadZipFile,
    EOFError,
    LookupError,
    OverflowError,
    RuntimeError,
    struct.error,
    TypeError,
    ValueError,
)
"""What torch raises for containers that are damaged, or hold more than tensors and plain data."""


def save_checkpoint(path: Path, network: Network, card: Card) -> None:
    """Write a network and its card, whole or not at all.

    Args:
        path: of the file; one that is there is replaced.
        network: on any device.
        card: of this network.

    Raises:
        NotFinite: a weight is NaN or infinite.
        DiskFull: no space left.
        FileMissing: the place cannot be written.
    """
    state = {
        name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()
    }
    if name := _not_finite(state):
        raise NotFinite(
            f"{name} of the network is not finite, so {path} was not written: training diverged; "
            "lower the learning rate"
        )
    text = card.to_json()
    content = {
        "format": FORMAT,
        "version": VERSION,
        "card": text,
        "state": state,
        "digest": _digest(text, state),
    }
    # In memory first: torch's own writer does not say why a disk refused it.
    buffer = BytesIO()
    torch.save(content, buffer)
    with whole_file(path) as part:
        part.write_bytes(buffer.getbuffer())


def load_checkpoint(path: Path) -> tuple[Network, Card]:
    """A network on the processor, in eval mode, and its card.

    Raises:
        FileMissing: no such file.
        ArtifactIncomplete: damaged, or no container of torch.
        SchemaMismatch: no checkpoint of coreset, of another version, or weights that are not
            those of its architecture.
        ArtifactError: it holds more than tensors and JSON, or weights that are not finite.
    """
    content = _content(path)
    card, state = read_card(content.card, f"the card of {path}"), content.state
    network = _empty(card, path)
    for name, expected in network.state_dict().items():
        _demand_alike(state.get(name), expected, f"{path}: {name}")
    if foreign := state.keys() - network.state_dict().keys():
        raise SchemaMismatch(f"{path}: {card.network} has no weight {sorted(foreign)[0]}")
    _demand_whole(content, path)
    network.load_state_dict(state, assign=True)
    return network.eval(), card


def checkpoint_digest(path: Path) -> str:
    """SHA-256 over the card and all weights: equal content has an equal digest.

    Raises:
        FileMissing: no such file.
        ArtifactError: no whole checkpoint.
    """
    content = _content(path)
    _demand_whole(content, path)
    return content.digest


def _digest(card: str, state: Mapping[str, Tensor]) -> str:
    digest = sha256(card.encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"\n{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class _Content:
    """What a file holds; the weights plain and finite, but not yet those of a network."""

    card: str
    state: dict[str, Tensor]
    digest: str


def _content(path: Path) -> _Content:
    found = _unpacked(path)
    if not isinstance(found, dict) or not _equal(found.get("format"), FORMAT):
        raise SchemaMismatch(
            f"{path} is no checkpoint of coreset; make one with: coreset evaluate --save-model"
        )
    if not _equal(found.get("version"), VERSION):
        raise SchemaMismatch(
            f"{path} is a checkpoint of version {found.get('version')}, and this is version "
            f"{VERSION}; train it again, or update coreset"
        )
    text, state, digest = found.get("card"), found.get("state"), found.get("digest")
    if not (isinstance(text, str) and isinstance(state, dict) and isinstance(digest, str)):
        raise SchemaMismatch(f"{path} lacks its card, weights or digest; train it again")
    for name, tensor in state.items():
        if not isinstance(name, str) or not _is_plain(tensor):
            raise SchemaMismatch(f"{path}: {name} is no plain tensor; train it again")
    state = {name: tensor.detach() for name, tensor in state.items()}
    if name := _not_finite(state):
        raise ArtifactError(f"{path}: {name} holds NaN or Inf; training diverged; train it again")
    return _Content(text, state, digest)


def _demand_whole(content: _Content, path: Path) -> None:
    """Refuse damage: torch's container does not notice all of it."""
    if _digest(content.card, content.state) != content.digest:
        raise ArtifactIncomplete(
            f"{path} is damaged: card and weights are not those of its digest; copy or train it "
            "again"
        )


def _unpacked(path: Path) -> object:
    """What the container holds; nothing in it is run."""
    with read_errors(path), path.open("rb") as file:
        try:
            with ZipFile(file) as archive:
                entries = archive.infolist()
            # Torch never compresses: a small file that unpacks to a large one is an attack.
            if any(entry.compress_type != ZIP_STORED for entry in entries):
                raise ArtifactError(f"{path} is compressed, as no checkpoint is; refused")
            if any(entry.filename.endswith("/constants.pkl") for entry in entries):
                raise ArtifactError(f"{path} holds a program, not weights; refused")
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True)
        except UnpicklingError as error:
            raise ArtifactError(
                f"{path} is damaged, or holds more than tensors and plain data, which could run "
                "as a program; refused"
            ) from error
        except BROKEN as error:
            raise ArtifactIncomplete(
                f"{path} is no whole checkpoint ({type(error).__name__}); copy or train it again"
            ) from error


def _empty(card: Card, path: Path) -> Network:
    """The network of a card without weights: a card that asks for too much costs nothing."""
    sizes = {"classes": len(card.classes), "channels": card.channels, "size": card.size}
    try:
        with torch.device("meta"):
            return build(network_spec(card.network), **sizes, seed=card.seed)
    except (InvalidParameter, OverflowError, RuntimeError, TypeError) as error:
        raise SchemaMismatch(
            f"the card of {path} describes a network that cannot be built: {error}"
        ) from error


def _equal(found: object, expected: str | int) -> bool:
    return type(found) is type(expected) and found == expected


def _is_plain(tensor: object) -> bool:
    """A dense tensor, of which each number is stored: a view could be large and stored small."""
    return (
        type(tensor) in (Tensor, nn.Parameter)
        and isinstance(tensor, Tensor)
        and tensor.layout == torch.strided
        and tensor.device.type == "cpu"
        and tensor.dtype in (torch.float32, torch.int64)
        and tensor.is_contiguous()
    )


def _not_finite(state: Mapping[str, Tensor]) -> str | None:
    """Name of a weight that is NaN or infinite, where there is one."""
    return next((name for name, tensor in state.items() if not tensor.isfinite().all()), None)


def _demand_alike(found: Tensor | None, expected: Tensor, name: str) -> None:
    if found is None:
        raise SchemaMismatch(f"{name} is missing; train it again")
    if (found.shape, found.dtype) != (expected.shape, expected.dtype):
        raise SchemaMismatch(
            f"{name} is {list(found.shape)} of {found.dtype}, and the network of its card needs "
            f"{list(expected.shape)} of {expected.dtype}; train it again"
        )
