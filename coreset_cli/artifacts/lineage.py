"""What a file was made of, as far as its manifest says."""

from collections.abc import Sequence
from pathlib import Path

from coreset_cli.artifacts.manifest import MANIFEST_KEY, InputRecord, read_manifest
from coreset_cli.artifacts.selection import sidecar_of
from coreset_cli.errors import ArtifactError
from coreset_cli.io.parquet import read_schema

__all__ = ["parents_of"]


def parents_of(files: Sequence[str]) -> tuple[InputRecord, ...]:
    """Inputs of the run that wrote a file, and what they were made of; several files say nothing.

    A manifest that cannot be read is as good as none: it proves nothing.
    """
    if len(files) != 1 or not Path(files[0]).is_file():
        return ()
    path = Path(files[0])
    beside = sidecar_of(path)
    try:
        if beside.is_file():
            text: str | bytes = beside.read_bytes()
        elif path.suffix.lower() == ".parquet":
            text = (read_schema(path).metadata or {}).get(MANIFEST_KEY, b"")
        else:
            return ()
        manifest = read_manifest(text, str(path))
    except (ArtifactError, OSError):
        return ()
    return (*manifest.inputs, *manifest.parents)
