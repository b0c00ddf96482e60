"""What a user asked `corrupt` for, before anything is opened."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Request"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked `corrupt` for.

    Args:
        paths: the data, as typed.
        output: where to.
        images: `KIND=FRACTION` texts, for images.
        labels: the same for labels.
        vectors: the same for vectors.
        profile: which definitions the kinds for images have.
        checkpoint: the network that attacks are made against.
        settings: texts for parameters of the kinds.
        column: column of images or vectors.
        ids: column of ids.
        label: column or file of labels.
        root: folder of data sets that go by a name.
        seed: of all draws.
        device: where attacks are computed.
        max_memory: bytes the process may use.
        force: replace an output that is there.
    """

    paths: tuple[str, ...]
    output: Path
    images: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    vectors: tuple[str, ...] = ()
    profile: str = "standard"
    checkpoint: Path | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    column: str | None = None
    ids: str | None = None
    label: str | None = None
    root: Path | None = None
    seed: int = 0
    device: str = "auto"
    max_memory: int
    force: bool = False
