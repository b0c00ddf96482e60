"""WebDataset shards: what samples a `.tar` holds, where their bytes lie, and how to copy them.

A sample is all members with one key: the member's name up to the first dot of its base name,
folders kept. Nothing is ever extracted, so no name in a hostile archive becomes a path.
"""

import tarfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.errors import ArtifactIncomplete, IdMismatch, SchemaMismatch
from coreset_cli.io.access import read_errors

__all__ = ["Member", "TarIndex", "harmless_name", "index_tar", "split_key"]


_END = tarfile.NUL * tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """One file of a sample.

    Args:
        name: as in the archive.
        offset: where its bytes begin in the archive.
        size: how many there are.
    """

    name: str
    offset: int
    size: int

    @property
    def extension(self) -> str:
        """What follows the key: `jpg`, `cls`, `seg.png`."""
        return split_key(self.name)[1]


@dataclass(frozen=True)
class TarIndex:
    """Samples of one shard, in order of their first member; a few bytes a member.

    Args:
        path: the archive.
        keys: [s] key of each sample.
        names: [m] names of the members, those of a sample together.
        offsets: [m] where the bytes of each member begin.
        sizes: [m] bytes of each member.
        starts: [s + 1] first member of each sample.
        skipped: entries that belong to no sample: links, folders, names without key or extension.
    """

    path: Path
    keys: pa.Array
    names: pa.Array
    offsets: NDArray[np.int64]
    sizes: NDArray[np.int64]
    starts: NDArray[np.int64]
    skipped: int

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.keys)

    def members(self, sample: int) -> list[Member]:
        """Files of one sample, in the order of the archive."""
        return [
            Member(self.names[m].as_py(), int(self.offsets[m]), int(self.sizes[m]))
            for m in range(self.starts[sample], self.starts[sample + 1])
        ]

    def read(self, members: Iterable[Member]) -> list[bytes]:
        """Bytes of some members.

        Raises:
            ArtifactIncomplete: the archive has become shorter since it was indexed.
        """
        found = []
        with self.path.open("rb") as file:
            for member in members:
                file.seek(member.offset)
                found.append(file.read(member.size))
                if len(found[-1]) < member.size:
                    raise ArtifactIncomplete(f"{self.path}: member {member.name} is cut short")
        return found

    def copy(self, member: Member, archive: tarfile.TarFile, name: str) -> None:
        """Append the bytes of a member to another archive.

        Owner and time are not copied, so that equal content makes an equal archive.
        """
        entry = tarfile.TarInfo(name)
        entry.size = member.size
        with self.path.open("rb") as file:
            file.seek(member.offset)
            archive.addfile(entry, file)


def split_key(name: str) -> tuple[str, str]:
    """Key and extension of a member; both empty where the name has no key or no extension."""
    folder, slash, base = name.rpartition("/")
    stem, _, extension = base.partition(".")
    return (folder + slash + stem, extension) if stem and extension else ("", "")


def index_tar(path: Path) -> TarIndex:
    """Read the headers of a shard once, in order, passing over the data.

    Raises:
        FileMissing: it cannot be read.
        ArtifactIncomplete: empty or truncated.
        SchemaMismatch: no tar, or a name that is not UTF-8.
        IdMismatch: a member occurs twice.
    """
    samples: dict[str, list[Member]] = {}
    seen: set[str] = set()
    skipped = 0
    try:
        with read_errors(path), path.open("rb") as file:
            _refuse_other_kinds(file, path)
            with tarfile.open(fileobj=file, mode="r:") as archive:
                while (entry := archive.next()) is not None:
                    # tarfile would keep every header; its types do not show where
                    archive.members.clear()  # type: ignore[attr-defined]
                    key = split_key(entry.name)[0]
                    if not key or not entry.isreg() or entry.sparse is not None:
                        skipped += 1
                        continue
                    if entry.name in seen:
                        raise IdMismatch(
                            f"{path}: member {entry.name} occurs twice; keys must be distinct, "
                            "rename one and write the shard again"
                        )
                    seen.add(entry.name)
                    member = Member(entry.name, entry.offset_data, entry.size)
                    samples.setdefault(key, []).append(member)
                _require_end(file, archive.offset, path)
    except tarfile.TarError as error:
        raise _truncated(path, str(error)) from error
    return _packed(path, samples, skipped)


def harmless_name(name: str) -> str:
    """The name without a leading `/` and without `..`, so that unpacking stays in its folder."""
    parts = name.split("/")
    if parts[0] and ".." not in parts:
        return name
    return "/".join(part for part in parts if part not in {"", ".."})


def _refuse_other_kinds(file: IO[bytes], path: Path) -> None:
    start = file.read(tarfile.BLOCKSIZE)
    file.seek(0)
    if not start:
        raise ArtifactIncomplete(f"{path} is empty; write the shard again")
    if start[:2] == b"\x1f\x8b":
        raise SchemaMismatch(f"{path} is compressed; unpack it with gunzip first")
    if len(start) < tarfile.BLOCKSIZE:
        raise _truncated(path, "no whole header")
    if start == _END:
        return
    try:
        tarfile.TarInfo.frombuf(start, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise SchemaMismatch(f"{path} is no tar archive, as its suffix says; rename it") from error


def _require_end(file: IO[bytes], offset: int, path: Path) -> None:
    """An archive ends with a block of zeros; tarfile takes a missing one for the end, too."""
    file.seek(offset)
    if file.read(tarfile.BLOCKSIZE) != _END:
        raise _truncated(path, f"no end of archive at byte {offset}")


def _truncated(path: Path, reason: str) -> ArtifactIncomplete:
    return ArtifactIncomplete(
        f"{path} is truncated or damaged ({reason}); copy or write the shard again"
    )


def _packed(path: Path, samples: dict[str, list[Member]], skipped: int) -> TarIndex:
    members = [member for sample in samples.values() for member in sample]
    try:
        keys = pa.array(samples, pa.large_string())
        names = pa.array([member.name for member in members], pa.large_string())
    except UnicodeEncodeError as error:
        raise SchemaMismatch(
            f"{path}: member {error.object!a} has a name that is not UTF-8; rename it"
        ) from error
    counts = np.array([len(sample) for sample in samples.values()], np.int64)
    return TarIndex(
        path=path,
        keys=keys,
        names=names,
        offsets=np.array([member.offset for member in members], np.int64),
        sizes=np.array([member.size for member in members], np.int64),
        starts=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        skipped=skipped,
    )
