"""The digest of samples as they are stored, taken while they are read for something else."""

from hashlib import sha256
from typing import Literal

from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.samples import Samples

__all__ = ["Content", "sample_hash"]


def sample_hash(data: bytes | None) -> bytes:
    """SHA-256 of one stored sample; of nothing where there is none."""
    return sha256(data or b"").digest()


class Content:
    """Digest over stored samples in order, then ids, then labels.

    Args:
        n: number of samples.
        kind: of samples.
    """

    def __init__(self, n: int, kind: Literal["image", "text"]) -> None:
        self.kind = kind
        self._digest = sha256(f"{n} {kind}s\n".encode())

    def add(self, hashes: list[bytes]) -> None:
        """Go on with the next samples, each by its `sample_hash`."""
        self._digest.update(b"".join(hashes))

    def record(self, samples: Samples, files: tuple[str, ...]) -> InputRecord:
        """The record of an input that was read whole.

        Args:
            samples: what was read.
            files: what it stands for, in the order read.
        """
        digest = self._digest.copy()
        ids_digest = samples.ids.digest()
        digest.update(ids_digest.encode())
        if samples.labels is not None:
            digest.update(samples.labels.digest().encode())
        return InputRecord(
            path=samples.path,
            files=files,
            rows=len(samples.ids),
            width=0,
            dtype=self.kind,
            content_digest=digest.hexdigest(),
            ids_digest=ids_digest,
            row_number_ids=samples.ids.is_row_number,
        )
