"""How an artifact came about: parameters, parents and versions, as JSON beside or inside it."""

import json
import platform
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from coreset_cli import __version__
from coreset_cli.errors import ArtifactIncomplete, SchemaMismatch

__all__ = [
    "MANIFEST_KEY",
    "InputRecord",
    "Manifest",
    "manifest_of",
    "read_manifest",
    "read_record",
    "versions",
]

MANIFEST_KEY = b"coreset"
"""Key of the manifest in the metadata of a Parquet file."""

SCHEMA_VERSION = 1


def versions() -> dict[str, str]:
    """Versions of this package, the interpreter and the libraries loaded so far."""
    names = ("numpy", "pyarrow", "torch", "sklearn")
    found = {name: sys.modules[name].__version__ for name in names if name in sys.modules}
    return {"coreset": __version__, "python": platform.python_version(), **found}


@dataclass(frozen=True, kw_only=True)
class InputRecord:
    """One input of a run.

    Args:
        path: as the user typed it.
        files: the files it stands for, in the order read.
        rows: number of rows.
        width: values a row.
        dtype: type of the values as stored.
        content_digest: SHA-256 over values, ids and labels.
        ids_digest: SHA-256 of the ids, one a line, in order.
        row_number_ids: the file has no ids; row numbers stand in.
    """

    path: str
    files: tuple[str, ...]
    rows: int
    width: int
    dtype: str
    content_digest: str
    ids_digest: str
    row_number_ids: bool


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """Everything that decides an artifact, and what it cost.

    Args:
        command: the subcommand.
        parameters: resolved options, defaults included.
        inputs: what was read.
        parents: what the inputs were made of, as far as they say.
        seed: of all draws.
        method: name of the method, where there is one.
        semantics: `keep`: the rows listed are the rows to keep.
        count: rows in the artifact.
        selection_digest: SHA-256 of the picked ids, one a line, in rank order.
        content_digest: SHA-256 over values, ids and labels, where values were made.
        exact: the same digest for any threads, blocks, storage and order of rows.
        prefix: the first rows are the smaller selection.
        device: where it ran.
        seconds: wall time.
        peak_memory: bytes of the largest resident set, mapped files included.
        warnings: what the user was told.
        facts: what the method measured on its way, over classes the largest; of a synthetic set,
            what its pixels are.
        schema: version of this record.
        versions: of what decides the numbers.
    """

    command: str
    parameters: Mapping[str, Any]
    inputs: tuple[InputRecord, ...]
    seed: int
    method: str | None = None
    semantics: str = "keep"
    count: int = 0
    selection_digest: str | None = None
    content_digest: str | None = None
    exact: bool = False
    prefix: bool = True
    device: str = "cpu"
    seconds: float = 0.0
    peak_memory: int = 0
    warnings: tuple[str, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)
    parents: tuple[InputRecord, ...] = ()
    schema: int = SCHEMA_VERSION
    versions: Mapping[str, str] = field(default_factory=versions)

    def to_json(self, **extra: object) -> str:
        """The record, and anything beside it, as JSON."""
        return json.dumps({**asdict(self), **extra}, indent=2, default=str, ensure_ascii=False)

    @classmethod
    def from_dict(cls, record: Mapping[str, Any]) -> "Manifest":
        """Read a record; keys of later versions are passed over.

        Raises:
            SchemaMismatch: a key every version has is not there, or holds something else.
        """
        try:
            inputs = _records(record["inputs"])
            parents = _records(record.get("parents", ()))
            warnings = tuple(record.get("warnings", ()))
            values = {"inputs": inputs, "parents": parents, "warnings": warnings}
            return cls(**{**_known(cls, record), **values})
        except (KeyError, TypeError, AttributeError) as error:
            raise SchemaMismatch(f"no manifest of coreset: {error}") from error


def read_manifest(text: str | bytes, name: str) -> Manifest:
    """A manifest from JSON.

    Args:
        text: the JSON.
        name: the file, for messages.

    Raises:
        ArtifactIncomplete: no JSON.
        SchemaMismatch: JSON, but no manifest.
    """
    return manifest_of(read_record(text, name), name)


def read_record(text: str | bytes, name: str) -> Mapping[str, Any]:
    """A JSON object.

    Args:
        text: the JSON.
        name: the file, for messages.

    Raises:
        ArtifactIncomplete: no JSON.
        SchemaMismatch: JSON, but no object.
    """
    try:
        record = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ArtifactIncomplete(f"{name} is no JSON ({error}); write it again") from error
    if not isinstance(record, dict):
        raise SchemaMismatch(f"{name} is no manifest: an object was expected")
    return record


def manifest_of(record: Mapping[str, Any], name: str) -> Manifest:
    """A manifest from a JSON object.

    Args:
        record: the object.
        name: the file, for messages.

    Raises:
        SchemaMismatch: no manifest.
    """
    try:
        return Manifest.from_dict(record)
    except SchemaMismatch as error:
        raise SchemaMismatch(f"{name} holds {error}; select again") from error


def _records(found: Iterable[Mapping[str, Any]]) -> tuple[InputRecord, ...]:
    return tuple(
        InputRecord(**{**_known(InputRecord, one), "files": tuple(one["files"])}) for one in found
    )


def _known(kind: type[Any], record: Mapping[str, Any]) -> dict[str, Any]:
    return {key: record[key] for key in kind.__dataclass_fields__ if key in record}
