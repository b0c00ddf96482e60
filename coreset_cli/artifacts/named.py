"""Data sets by name, as torchvision keeps them: `mnist:train` or `cifar10:test`.

They are looked for below a root folder in torchvision's own layout, and fetched there where they
are missing and the network allows it. CIFAR comes as pickles, which can run anything, so only
torchvision's classes read it: they compare each file with its published MD5 first.
"""

import io
import os
import warnings
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any
from urllib.request import Request, build_opener

import numpy as np

from coreset_cli.artifacts.arrays import Raster, open_idx_pair
from coreset_cli.errors import ArtifactIncomplete, DataUnavailable, FileMissing, did_you_mean
from coreset_cli.io.access import read_errors

__all__ = ["ROOT_VARIABLE", "default_root", "is_named", "open_named", "read_checked"]

ROOT_VARIABLE = "CORESET_DATA_DIR"

NETWORK_SECONDS = 3.0
"""A server that does not answer within this time counts as out of reach."""


@dataclass(frozen=True)
class _Set:
    """A data set that torchvision knows.

    Args:
        kind: its class there.
        files: of each part, below the root.
        url: where it is fetched from.
    """

    kind: str
    files: Mapping[str, tuple[str, ...]]
    url: str


def _idx(kind: str, url: str) -> _Set:
    files = {
        part: tuple(f"{kind}/raw/{stem}-{what}-ubyte" for what in ("images-idx3", "labels-idx1"))
        for part, stem in (("train", "train"), ("test", "t10k"))
    }
    return _Set(kind, files, url)


def _cifar(kind: str, folder: str, names: tuple[str, ...], url: str) -> _Set:
    files = tuple(f"{folder}/{name}" for name in names)  # all are checked, whichever is read
    return _Set(kind, {"train": files, "test": files}, url)


_TORONTO = "https://www.cs.toronto.edu/~kriz/cifar"

SETS = {
    "mnist": _idx(
        "MNIST", "https://ossci-datasets.s3.amazonaws.com/mnist/t10k-labels-idx1-ubyte.gz"
    ),
    "fashion-mnist": _idx(
        "FashionMNIST",
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/t10k-labels-idx1-ubyte.gz",
    ),
    "svhn": _Set(
        "SVHN",
        {part: (f"{part}_32x32.mat",) for part in ("train", "test", "extra")},
        "http://ufldl.stanford.edu/housenumbers/test_32x32.mat",
    ),
    "cifar10": _cifar(
        "CIFAR10",
        "cifar-10-batches-py",
        (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"),
        f"{_TORONTO}-10-python.tar.gz",
    ),
    "cifar100": _cifar(
        "CIFAR100", "cifar-100-python", ("train", "test", "meta"), f"{_TORONTO}-100-python.tar.gz"
    ),
}


def is_named(path: str) -> bool:
    """Whether an input is the name of a data set; `./mnist` is a file."""
    return path.partition(":")[0] in SETS and "/" not in path


def default_root() -> Path:
    """Where data sets lie if no folder is named: `CORESET_DATA_DIR`, else a folder of caches."""
    return Path(os.environ.get(ROOT_VARIABLE) or Path.home() / ".cache" / "coreset" / "data")


def open_named(path: str, root: Path) -> Raster:
    """The images and labels of one part of a data set.

    Args:
        path: name and part, as in `mnist:train`.
        root: folder in which torchvision keeps its data sets.

    Raises:
        FileMissing: no such part.
        DataUnavailable: it is not there and cannot be fetched.
        ArtifactError: what is there is not what was published.
    """
    name, _, part = path.partition(":")
    found = SETS[name]
    if part not in found.files:
        names = ", ".join(f"{name}:{known}" for known in found.files)
        raise FileMissing(f"no data set {path}; there are {names}{did_you_mean(part, found.files)}")
    if _missing(found, part, root):
        _fetch(found, path, root)
    if found.kind.endswith("MNIST"):
        return open_idx_pair(_existing(root / found.files[part][0]))
    from torchvision import datasets

    kind = getattr(datasets, found.kind)
    return read_checked(lambda: kind(root, **_choice(found, part)), path, root)


def read_checked(open_set: Callable[[], Any], name: str, root: Path) -> Raster:
    """The arrays of a data set that torchvision reads after it has checked the files.

    Args:
        open_set: makes the data set.
        name: for messages.
        root: for messages.

    Raises:
        ArtifactIncomplete: the files do not have the MD5 of those published.
    """
    try:
        with read_errors(root), warnings.catch_warnings(action="ignore"):
            found = open_set()
    except RuntimeError as error:
        raise ArtifactIncomplete(
            f"{name}: the files below {root} are not those published (their MD5 differs); remove "
            "them and fetch them again"
        ) from error
    values = np.asarray(found.data)
    if values.shape[1] == 3:  # SVHN keeps its channels first
        values = values.transpose(0, 2, 3, 1)
    labels = found.labels if hasattr(found, "labels") else found.targets
    return Raster(file=name, values=values, labels=np.asarray(labels, np.int64))


def _choice(found: _Set, part: str) -> dict[str, Any]:
    return {"split": part} if found.kind == "SVHN" else {"train": part == "train"}


def _existing(file: Path) -> Path:
    """The file, or its gzip."""
    return file if file.is_file() else file.with_name(f"{file.name}.gz")


def _missing(found: _Set, part: str, root: Path) -> list[str]:
    with read_errors(root):
        return [name for name in found.files[part] if not _existing(root / name).is_file()]


def _fetch(found: _Set, path: str, root: Path) -> None:
    """Let torchvision fetch a data set, after a quick look whether it can.

    Raises:
        DataUnavailable: it cannot.
    """
    part = path.partition(":")[2]
    reason = _unreachable(found.url)
    if reason is None:
        from torchvision import datasets

        try:
            root.mkdir(parents=True, exist_ok=True)
            # Fetched aside, so that half a file never lies where a whole one is looked for.
            with (
                TemporaryDirectory(prefix=".fetch-", dir=root) as aside,
                redirect_stdout(io.StringIO()),
                redirect_stderr(io.StringIO()),
            ):
                getattr(datasets, found.kind)(aside, download=True, **_choice(found, part))
                _move(found, Path(aside), root)
        except (OSError, RuntimeError, EOFError) as error:
            reason = str(error)
    missing = _missing(found, part, root)
    if missing:
        raise DataUnavailable(
            f"{path} is not in {root} and could not be fetched ({reason}); put "
            f"{', '.join(missing)} there, or name the folder that has them with --root or "
            f"{ROOT_VARIABLE}"
        )


def _move(found: _Set, source: Path, target: Path) -> None:
    """Move what was fetched of a data set to where it is looked for."""
    for name in sorted(set(chain.from_iterable(found.files.values()))):
        if (source / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).replace(target / name)


def _unreachable(url: str) -> str | None:
    """Why a server cannot be reached, in a few words; none where it can."""
    reasons = ["no answer"]

    def ask() -> None:
        try:
            with build_opener().open(Request(url, method="HEAD"), timeout=NETWORK_SECONDS):
                reasons.clear()
        except (OSError, ValueError) as error:
            reasons[0] = str(getattr(error, "reason", error))

    asking = Thread(target=ask, daemon=True)  # looking up a name knows no timeout
    asking.start()
    asking.join(NETWORK_SECONDS)
    return reasons[0] if reasons else None
