"""What a file is by its first bytes, so that a wrong suffix is noticed."""

from pathlib import Path

from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch
from coreset_cli.io.access import read_errors

__all__ = ["file_kind", "first_bytes", "kind_of_bytes"]

_MAGIC = {
    b"\x93NUMPY": "npy",
    b"PAR1": "parquet",
    b"PK\x03\x04": "npz",
    b"\xff\xff\xff\xff": "arrow",
    b"ARROW1": "arrow-file",
}
_SUFFIX = {
    ".npy": "npy",
    ".parquet": "parquet",
    ".npz": "npz",
    ".safetensors": "safetensors",
    ".arrows": "arrow",
}
READ = ".npy, .npz, .parquet, .safetensors, a folder of them, or an Arrow stream on stdin"


def kind_of_bytes(start: bytes) -> str | None:
    """The kind of a file that begins with these bytes; nothing where they are of no known kind."""
    for magic, kind in _MAGIC.items():
        if start.startswith(magic):
            return kind
    if len(start) >= 9 and start[8:9] == b"{" and int.from_bytes(start[:8], "little") < 100 << 20:
        return "safetensors"
    return None


def first_bytes(path: Path) -> bytes:
    """The first bytes of a file, enough to know its kind.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: empty.
    """
    with read_errors(path), path.open("rb") as file:
        start = file.read(16)
    if not start:
        raise ArtifactIncomplete(f"{path} is empty; write it again")
    return start


def file_kind(path: Path) -> str:
    """The kind of a file of vectors, from its content, checked against its suffix.

    Raises:
        FileMissing: no such file, or it cannot be read.
        ArtifactIncomplete: empty.
        SchemaMismatch: of no known kind, or of another kind than its suffix says.
    """
    start = first_bytes(path)
    kind = kind_of_bytes(start)
    said = _SUFFIX.get(path.suffix.lower())
    if kind is None:
        what = f"is not the {said} file its suffix says" if said else "is of no kind that is read"
        raise SchemaMismatch(f"{path} {what}; vectors come as {READ}")
    if said is not None and said != kind:
        raise SchemaMismatch(f"{path} is {kind}, not the {said} its suffix says; rename it")
    return kind
