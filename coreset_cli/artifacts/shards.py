"""Folders of shards: which files there are, in which order, and the metadata of each."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from coreset_cli.errors import FileMissing, IdMismatch
from coreset_cli.io.access import read_errors

__all__ = ["Shards", "order_warning", "shards_of"]

_CLIP_RETRIEVAL = ("img_emb", "text_emb")
_SUFFIXES = (".npy", ".npz", ".safetensors", ".parquet")
_DIGITS = re.compile(r"([0-9]+)")


@dataclass(frozen=True, kw_only=True)
class Shards:
    """Files of one folder that are one input.

    Args:
        files: in lexicographic order.
        metadata: the file of scalar columns of each, where it is not found by the shard's name.
        warnings: what the user should know.
    """

    files: tuple[Path, ...]
    metadata: tuple[Path | None, ...]
    warnings: tuple[str, ...] = ()


def shards_of(folder: Path) -> Shards:
    """The shards of a folder: side by side, `img_emb/` with `metadata/`, or Hugging Face's `data/`.

    The first kind that is there of `.npy`, `.npz`, `.safetensors` and `.parquet` is taken.

    Raises:
        FileMissing: no shards in it.
        IdMismatch: shards and metadata of clip-retrieval do not pair.
    """
    home = next((folder / name for name in _CLIP_RETRIEVAL if (folder / name).is_dir()), folder)
    with read_errors(folder):
        for suffix in _SUFFIXES:
            found = _visible(home.glob(f"*{suffix}")) or _nested(home, suffix)
            if found:
                break
        else:
            raise FileMissing(f"{folder} has no {', '.join(_SUFFIXES)} files; name their folder")
    metadata: tuple[Path | None, ...] = (None,) * len(found)
    if home.name in _CLIP_RETRIEVAL and (home.parent / "metadata").is_dir():
        metadata = _paired(found, home.parent / "metadata")
    warnings = (*order_warning(found), *_split_warning(folder, found))
    return Shards(files=tuple(found), metadata=metadata, warnings=warnings)


def order_warning(shards: Sequence[Path]) -> list[str]:
    """Say so where the names of shards sort otherwise as text than as numbers."""

    def natural(path: Path) -> list[list[tuple[int, str | int]]]:
        return [
            [(1, int(p)) if place % 2 else (0, p) for place, p in enumerate(_DIGITS.split(part))]
            for part in path.parts
        ]

    if sorted(shards, key=natural) == list(shards):
        return []
    return [
        f"shards of {shards[0].parent} are read in the order of their names as text "
        f"({shards[0].name}, {shards[1].name}, …), not of their numbers; pad the numbers with zeros"
    ]


def _visible(paths: Iterable[Path]) -> list[Path]:
    return sorted(
        path
        for path in paths
        if path.is_file() and path.name[0] not in "._" and not path.name.endswith(".meta.parquet")
    )


def _nested(folder: Path, suffix: str) -> list[Path]:
    """Only Parquet is looked for below the folder: Hugging Face keeps it in `data/`."""
    return _visible(folder.rglob(f"*{suffix}")) if suffix == ".parquet" else []


def _paired(shards: Sequence[Path], folder: Path) -> tuple[Path, ...]:
    """`metadata_0007.parquet` for `img_emb_0007.npy`."""
    by_number = {_number(path): path for path in _visible(folder.glob("*.parquet"))}
    missing = [shard for shard in shards if _number(shard) not in by_number]
    if missing or len(by_number) != len(shards):
        which = f"none for {missing[0].name}" if missing else "more than there are shards"
        raise IdMismatch(
            f"{folder} has {len(by_number)} Parquet files for {len(shards)} shards of "
            f"{shards[0].parent}, {which}; write vectors and metadata again together"
        )
    return tuple(by_number[_number(shard)] for shard in shards)


def _number(path: Path) -> str:
    return path.stem.rpartition("_")[2]


def _split_warning(folder: Path, shards: Sequence[Path]) -> list[str]:
    """Hugging Face names `train-00000-of-00002.parquet`; splits read as one are rarely meant."""
    splits = {found[1] for s in shards if (found := re.match(r"(.+)-\d{5}-of-\d{5}", s.name))}
    if len(splits) < 2:
        return []
    return [
        f"{folder} holds the splits {', '.join(sorted(splits))}, read as one input; "
        "name the files of one split instead"
    ]
