"""The training and test files, written once: each corruption as `coreset corrupt` makes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from cells import CORRUPTIONS, Cell
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import open_embeddings
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.commands.corrupt import Request, corrupt
from coreset_cli.commands.evaluation.truth import read_truth
from coreset_cli.io.atomic import whole_file

__all__ = ["TITLES", "Files", "files_of", "has", "prepare"]

TITLES = {
    "cifar": "CIFAR-10N, MobileNetV2 (10,000 + 2,000 × 1,280, 10 classes)",
    "banking": "Banking77, model2vec (10,003 + 3,080 × 128, 77 classes)",
    "digits": "Handwritten digits (1,346 + 451 × 64, 10 classes)",
    "resnet56": "CIFAR-10, ResNet-56 trained on it (10,000 + 10,000 × 64, 10 classes)",
}


@dataclass(frozen=True)
class Files:
    """Where the rows of a cell lie.

    Args:
        train: the training rows.
        clean: those of them that nothing is wrong with.
        test: clean test rows.
    """

    train: Path
    clean: Path
    test: Path


def files_of(folder: Path, cell: Cell) -> Files:
    """Names of the files of a cell."""
    place = folder / "sets"
    return Files(
        train=place / f"{cell.stem}.parquet",
        clean=place / f"{cell.stem}.clean.parquet",
        test=place / f"{cell.data}-test.parquet",
    )


def has(data: str, corruption: str) -> bool:
    """Whether a set has a corruption: people labelled one of them twice."""
    return data == "cifar" or CORRUPTIONS[corruption].human is None


def prepare(source: Path, folder: Path, cell: Cell) -> Files:
    """Write what is not there yet."""
    files = files_of(folder, cell)
    files.train.parent.mkdir(parents=True, exist_ok=True)
    if not files.test.exists():
        _write(TEST[cell.data](source), files.test)
    if not files.train.exists():
        _train(source, folder, cell, files.train)
    if not files.clean.exists():
        _clean(files)
    return files


def _train(source: Path, folder: Path, cell: Cell, path: Path) -> None:
    """Training rows as published, as people labelled them, or damaged by `coreset corrupt`."""
    corruption = CORRUPTIONS[cell.corruption]
    if corruption.human is not None:
        _write(_cifar(source, "train10k", corruption.human), path)
        return
    if not corruption.drawn:
        _write(TRAIN[cell.data](source), path)
        return
    before = prepare(source, folder, Cell(data=cell.data, corruption="clean", seed=0)).train
    request = Request(
        paths=(str(before),),
        output=path,
        labels=() if corruption.labels is None else (corruption.labels,),
        vectors=() if corruption.vectors is None else (corruption.vectors,),
        label="label",
        seed=cell.seed,
        device="cpu",
        max_memory=1 << 40,
    )
    corrupt(request, lambda stage, done, total: None)


def _clean(files: Files) -> None:
    """The rows that nothing is wrong with, by what was recorded of them."""
    train = open_embeddings([str(files.train)], label="label")
    known = read_truth(train, require_labels(train))
    table = pq.read_table(files.train)
    _write(table.filter(pa.array(known.clean)).replace_schema_metadata(), files.clean)


def _cifar(source: Path, part: str, label: str) -> pa.Table:
    table = pq.read_table(source / "embeddings" / f"cifar10n-mobilenetv2-1280-{part}.parquet")
    if label not in table.column_names:
        people = pq.read_table(source / "cifar10n" / "labels.parquet", columns=["index", label])
        places = pc.index_in(table["index"], value_set=people["index"].combine_chunks())
        table = table.append_column(label, people[label].take(places))
    columns = {"id": table["index"], "label": table[label], "embedding": table["embedding"]}
    if label != "clean_label":
        columns["clean_label"] = table["clean_label"]
    return pa.table(columns)


def _banking(source: Path, split: str) -> pa.Table:
    table = pq.read_table(source / "embeddings" / "banking77-model2vec-128.parquet")
    table = table.append_column("id", pa.array(np.arange(len(table))))
    table = table.filter(pc.equal(table["split"], split))
    return table.select(["id", "label", "embedding"])


def _digits(source: Path, part: str) -> pa.Table:
    data = open_embeddings([f"digits:{part}"])
    rows = data.matrix.read(0, data.matrix.n)
    return _table(rows, require_labels(data).codes)


def _resnet56(source: Path, part: str) -> pa.Table:
    rows = np.load(source / "embeddings" / f"cifar10-resnet56-64-{part}.npy")[:10_000]
    labels = pq.read_table(source / "cifar10" / f"{part}.parquet", columns=["label"])["label"]
    return _table(rows, labels.to_numpy()[: len(rows)])


def _table(rows: NDArray[np.generic], labels: NDArray[np.int64]) -> pa.Table:
    values = pa.array(rows.astype(np.float32).ravel())
    vectors = pa.FixedSizeListArray.from_arrays(values, rows.shape[1])
    return pa.table({"id": np.arange(len(rows)), "label": labels, "embedding": vectors})


def _write(table: pa.Table, path: Path) -> None:
    with whole_file(path) as part:
        pq.write_table(table, part)


TRAIN: Mapping[str, Callable[[Path], pa.Table]] = {
    "cifar": partial(_cifar, part="train10k", label="clean_label"),
    "banking": partial(_banking, split="train"),
    "digits": partial(_digits, part="train"),
    "resnet56": partial(_resnet56, part="train"),
}

TEST: Mapping[str, Callable[[Path], pa.Table]] = {
    "cifar": partial(_cifar, part="test2k", label="clean_label"),
    "banking": partial(_banking, split="test"),
    "digits": partial(_digits, part="test"),
    "resnet56": partial(_resnet56, part="test"),
}
