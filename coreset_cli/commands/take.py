"""`take`: an index list and its data in, the selected rows out, joined by id."""

import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.dataset import Dataset, open_dataset
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.manifest import InputRecord, Manifest
from coreset_cli.artifacts.selection import Selection, rows_in
from coreset_cli.artifacts.selection_file import read_selection
from coreset_cli.artifacts.subset import METADATA, Subset, companions, form_of, write_subset
from coreset_cli.device import peak_memory
from coreset_cli.errors import CoresetError, InvalidParameter, OutputExists
from coreset_cli.io.atomic import refuse_existing, refuse_inside
from coreset_cli.io.digest import lines_digest
from coreset_cli.io.matrix import temporary_file

__all__ = ["Plan", "Request", "plan", "take"]

Watch = Callable[[str, int, int], None]
"""Told of a stage, the units done, and all of them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked `take` for.

    Args:
        selection: an index list; `-` for stdin.
        paths: the data, as typed.
        output: where to.
        column: column of vectors.
        ids: column of ids.
        root: folder of data sets known by name.
        sort: order of the rows written.
        force: replace an output that is there.
    """

    selection: Path
    paths: tuple[str, ...]
    output: Path
    column: str | None = None
    ids: str | None = None
    root: Path | None = None
    sort: Literal["rank", "index"] = "rank"
    force: bool = False


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run would write.

    Args:
        rows: to be taken.
        data_rows: of the data.
        bytes: of the rows taken, before compression; an estimate for Parquet.
        output: where to.
        selection_digest: of the ids, in rank order.
        warnings: what the user should know.
    """

    rows: int
    data_rows: int
    bytes: int
    output: str
    selection_digest: str
    warnings: tuple[str, ...]

    def record(self) -> dict[str, object]:
        """The plan as one JSON object."""
        return asdict(self)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        return [
            f"take      {self.rows:,} of {self.data_rows:,} rows",
            f"write     about {self.bytes / 1e6:,.1f} MB to {self.output}",
            "nothing was written",
        ]


def take(request: Request, watch: Watch) -> Manifest:
    """Join, read and write.

    Raises:
        CoresetError: whatever a user can act on.
    """
    started = time.perf_counter()
    job = _prepare(request)
    order = np.arange(len(job.rows))
    if request.sort == "index":
        order = np.argsort(job.rows, kind="stable")

    def describe() -> Manifest:
        return Manifest(
            command="take",
            parameters={"sort": request.sort, "id": request.ids, "column": request.column},
            inputs=job.inputs,
            seed=job.selection.manifest.seed if job.selection.manifest else 0,
            count=len(order),
            selection_digest=job.digest,
            exact=True,
            seconds=round(time.perf_counter() - started, 3),
            peak_memory=peak_memory(),
            warnings=job.warnings,
        )

    subset = Subset(
        data=job.data,
        rows=job.rows[order],
        added=_added(job.selection, job.data, job.rows).take(pa.array(order)),
        column=request.column,
        describe=describe,
    )
    write_subset(request.output, job.form, subset, lambda done, total: watch("taking", done, total))
    return describe()


def plan(request: Request) -> Plan:
    """Join, and say what would be written.

    Raises:
        CoresetError: whatever `take` would raise before it reads the rows.
    """
    job = _prepare(request)
    return Plan(
        rows=len(job.rows),
        data_rows=len(job.data.ids),
        bytes=job.data.size(job.rows),
        output=str(request.output),
        selection_digest=job.digest,
        warnings=job.warnings,
    )


@dataclass(frozen=True, kw_only=True)
class _Job:
    """A request whose inputs are open and joined.

    Args:
        selection: what was picked.
        data: where it is.
        rows: [k] rows of the data, in rank order.
        form: of the output.
        digest: of the ids, in rank order.
        inputs: both, for the manifest.
        warnings: what the user should know.
    """

    selection: Selection
    data: Dataset
    rows: NDArray[np.int64]
    form: str
    digest: str
    inputs: tuple[InputRecord, ...]
    warnings: tuple[str, ...]


def _prepare(request: Request) -> _Job:
    source = str(request.selection)
    if source == "-" and "-" in request.paths:
        raise InvalidParameter("the selection and the data cannot both come from stdin; name one")
    selection = _read_stdin() if source == "-" else read_selection(request.selection)
    refuse_inside(request.output, [*request.paths, source])
    data = open_dataset(request.paths, column=request.column, ids=request.ids, root=request.root)
    refuse_inside(request.output, data.files)
    form = form_of(request.output, data)
    _refuse_output(request.output, form, force=request.force)
    ids_digest = data.ids.digest()
    rows, notes = rows_in(selection, source, data.ids, data.path, ids_digest)
    digest = lines_digest(data.ids.take(rows).texts())
    inputs = (
        _record(source, (source,), selection.ids, digest, selection.ids.digest()),
        _record(data.path, data.files, data.ids, "", ids_digest),
    )
    return _Job(
        selection=selection,
        data=data,
        rows=rows,
        form=form,
        digest=digest,
        inputs=inputs,
        warnings=(*data.warnings, *notes, *_order_notes(selection, source, digest)),
    )


def _read_stdin() -> Selection:
    """An index list from a pipe, copied once to a temporary file."""
    with temporary_file() as copy:
        shutil.copyfileobj(sys.stdin.buffer, copy)
        copy.flush()
        place = Path(f"/dev/fd/{copy.fileno()}")
        try:
            return read_selection(place)
        except CoresetError as error:
            raise type(error)(str(error).replace(str(place), "stdin")) from error


def _record(
    path: str, files: tuple[str, ...], ids: Ids, content_digest: str, ids_digest: str
) -> InputRecord:
    return InputRecord(
        path=path,
        files=files,
        rows=len(ids),
        width=0,
        dtype="",
        content_digest=content_digest,
        ids_digest=ids_digest,
        row_number_ids=ids.is_row_number,
    )


def _added(selection: Selection, data: Dataset, rows: NDArray[np.int64]) -> pa.Table:
    """[k] columns that the selection adds, in rank order; row numbers travel as ids."""
    columns = {"rank": pa.array(selection.ranks.astype(np.int32))}
    if data.ids.is_row_number:
        columns = {"id": data.ids.take(rows).values, **columns}
    if selection.weights is not None:
        columns["weight"] = pa.array(selection.weights.astype(np.float32))
    if selection.roles is not None and (selection.roles == "support").any():
        columns["role"] = pa.array(selection.roles.tolist(), pa.string())
    return pa.table(columns)


def _order_notes(selection: Selection, source: str, digest: str) -> tuple[str, ...]:
    """A list of bare numbers has lost its ranks where it was sorted, or changed by hand."""
    manifest = selection.manifest
    if manifest is None or manifest.count != len(selection.rows):
        return ()
    if manifest.selection_digest == digest:
        return ()
    return (
        f"{source} is not in the order its manifest says (sorted by number, or changed): `rank` "
        "is the place in the file; a .parquet selection keeps the ranks",
    )


def _refuse_output(output: Path, form: str, *, force: bool) -> None:
    """Stop before any work where something is there already.

    Raises:
        OutputExists: it is there, and `force` is not given or would remove another's folder.
    """
    beside = companions(output, form)
    for path in beside:
        refuse_existing(path, force=force)
    if form != "folder" or not output.exists():
        refuse_existing(output, force=force)
        return
    if not force:
        raise OutputExists(f"{output} is there already; use --force to replace it")
    if not ((output / METADATA).is_file() and all(path.is_file() for path in beside)):
        raise OutputExists(
            f"{output} was not written by take, so --force does not remove it; name another folder"
        )
