"""A request with its input open: which rows are hit, and the columns beside them afterwards."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from coreset_cli.artifacts.columns import label_files
from coreset_cli.artifacts.corruption import Mark
from coreset_cli.artifacts.embeddings import Embeddings
from coreset_cli.artifacts.pictures import Pictures
from coreset_cli.artifacts.subset import companions, form_of
from coreset_cli.artifacts.tables import VectorData
from coreset_cli.commands.corrupting.beside import Noise, has_id_column, label_column, replaced
from coreset_cli.commands.corrupting.doses import drawn
from coreset_cli.commands.corrupting.inputs import opened
from coreset_cli.commands.corrupting.noise import noisy_labels
from coreset_cli.commands.corrupting.orders import Orders, read_orders
from coreset_cli.commands.corrupting.request import Request
from coreset_cli.corruption.images import KINDS, MIXED, split_mixed
from coreset_cli.device import require_memory
from coreset_cli.errors import ArtifactIncomplete, InvalidParameter
from coreset_cli.io.atomic import refuse_existing, refuse_inside

__all__ = ["Job", "prepared", "vector_data"]

ROW_BYTES = 256
"""Memory a row takes: its id and hash, labels before and after, draws, and the truth columns."""

FIXED_BYTES = 512 << 20
"""Memory for a row group, the piece being damaged, and the decoded images of all threads."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """A request with its input open.

    Args:
        request: what was asked for.
        orders: the same, read.
        samples: the input.
        form: of the output.
        marks: rows of each kind of damage to images or vectors.
        noise: labels after noise, and the rows of each kind.
        warnings: what the user should know.
    """

    request: Request
    orders: Orders
    samples: Pictures | Embeddings
    form: str
    marks: tuple[Mark, ...]
    noise: Noise | None
    warnings: tuple[str, ...]

    @property
    def all_marks(self) -> tuple[Mark, ...]:
        """Rows of each kind, those of the labels last."""
        return self.marks + (self.noise.marks if self.noise is not None else ())

    def counts(self) -> dict[str, int]:
        """Rows that each kind hits."""
        found: Counter[str] = Counter()
        for mark in self.all_marks:
            found[mark.kind] += len(mark.rows)
        return dict(found)

    def columns(self) -> dict[str, pa.Array]:
        """Columns that replace those of the input, or come behind them."""
        beside = replaced(self.samples, self.all_marks, label=self.request.label, noise=self.noise)
        if self.samples.ids.is_row_number or has_id_column(self.samples, self.request.ids):
            return beside
        return {"id": self.samples.ids.values, **beside}

    @property
    def label(self) -> str:
        """The column of labels in the output, where there are any."""
        return label_column(self.request.label, self.samples)

    @property
    def checkpoint_digest(self) -> str | None:
        """Of the network that is attacked, where there is one."""
        if self.request.checkpoint is None:
            return None
        from coreset_cli.training.checkpoint import checkpoint_digest

        return checkpoint_digest(self.request.checkpoint)


def prepared(request: Request) -> Job:
    """Check the request, open the input and draw the rows; no image and no vector is read yet.

    Raises:
        CoresetError: whatever a user can act on.
    """
    orders = read_orders(request)
    checkpoint = [] if request.checkpoint is None else [str(request.checkpoint)]
    refuse_inside(request.output, (*request.paths, *label_files(request.label), *checkpoint))
    samples = opened(request)
    files = samples.data.files if isinstance(samples, Pictures) else samples.files
    refuse_inside(request.output, files)
    form = _form(request, samples)
    for path in (request.output, *companions(request.output, form)):
        refuse_existing(path, force=request.force)
    n = len(samples.ids)
    if n == 0:
        raise ArtifactIncomplete(f"{samples.path} has no rows; name data that does")
    require_memory(
        request.max_memory,
        n * ROW_BYTES + FIXED_BYTES,
        f"damaging {n:,} rows",
        "split the input, or raise --max-memory",
    )
    key = samples.ids.key()
    doses = orders.images or orders.vectors
    marks: list[Mark] = []
    for kind, rows in drawn(doses, key, request.seed, "images" if orders.images else "vectors"):
        if kind == MIXED:
            bounds = np.cumsum(split_mixed(len(rows)))
            parts = zip(KINDS, np.split(rows, bounds[:-1]), strict=True)
            marks += [Mark(part, members) for part, members in parts]
        else:
            marks.append(Mark(kind, rows))
    noise = None
    if orders.noise is not None:
        noise = noisy_labels(
            samples, key, orders.labels[0], seed=request.seed, options=orders.noise
        )
    return Job(
        request=request,
        orders=orders,
        samples=samples,
        form=form,
        marks=tuple(marks),
        noise=noise,
        warnings=samples.warnings,
    )


def vector_data(embeddings: Embeddings) -> VectorData:
    """The vectors as rows that can be written."""
    return VectorData(
        path=embeddings.path,
        files=embeddings.files,
        ids=embeddings.ids,
        matrix=embeddings.matrix,
        columns=embeddings.columns,
    )


def _form(request: Request, samples: Pictures | Embeddings) -> str:
    """What to write, by the suffix of the output."""
    if isinstance(samples, Embeddings):
        return form_of(request.output, vector_data(samples))
    if request.output.suffix.lower() != ".parquet":
        raise InvalidParameter(
            f"images are written as Parquet, not as {request.output}; name an output that ends "
            "with .parquet"
        )
    return "parquet"
