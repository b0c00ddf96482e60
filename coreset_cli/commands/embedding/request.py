"""What `embed` is asked for, and the samples it is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from coreset_cli.artifacts.columns import label_files
from coreset_cli.artifacts.pictures import open_pictures
from coreset_cli.artifacts.samples import Samples
from coreset_cli.artifacts.subset import companions
from coreset_cli.artifacts.texts import open_texts
from coreset_cli.encoders.spec import DEFAULT, EncoderSpec, Modality, encoder_spec, family_of
from coreset_cli.errors import InvalidParameter, SchemaMismatch
from coreset_cli.io.atomic import refuse_existing, refuse_inside

__all__ = ["Input", "Request", "Source", "opened"]


class Source(Samples, Protocol):
    """Samples that are read in order, as they are stored."""

    def batches(
        self, start: int = 0
    ) -> Iterator[tuple[int, list[bytes | None] | list[str | None]]]:
        """All samples from a row on: the first row, and some."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked `embed` for.

    Args:
        paths: the data, as typed.
        output: where to.
        max_memory: bytes the process may use.
        encoder: as typed; none takes the default for the data.
        modality: of the samples.
        dtype: of the vectors as stored.
        batch: samples computed at once; none takes the encoder's.
        on_error: whether a sample that cannot be read ends the run or is left out.
        column: of images or texts.
        ids: column of ids.
        label: column or file of labels.
        root: folder of the torchvision data sets.
        seed: for the manifest; nothing is drawn.
        device: as typed.
        force: replace an output that is there, and unfinished work of another run.
    """

    paths: tuple[str, ...]
    output: Path
    max_memory: int
    encoder: str | None = None
    modality: Modality = "image"
    dtype: Literal["float16", "float32"] = "float32"
    batch: int | None = None
    on_error: Literal["fail", "skip"] = "fail"
    column: str | None = None
    ids: str | None = None
    label: str | None = None
    root: Path | None = None
    seed: int = 0
    device: str = "auto"
    force: bool = False

    @property
    def spec(self) -> EncoderSpec:
        """The encoder by name; digits are their own features unless one is named.

        Raises:
            InvalidParameter: not the name of an encoder.
        """
        digits = self.modality == "image" and all(p.startswith("digits:") for p in self.paths)
        return encoder_spec(self.encoder or ("pixels" if digits else DEFAULT))

    @property
    def form(self) -> str:
        """Of the output, by its suffix."""
        return self.output.suffix.lower().removeprefix(".")

    @property
    def skipped(self) -> Path:
        """The list of rows left out."""
        return self.output.with_name(f"{self.output.name}.skipped.txt")

    @property
    def partial(self) -> Path:
        """The folder of unfinished work."""
        return self.output.with_name(f"{self.output.name}.partial")

    def refuse_early(self) -> None:
        """Stop before any work, and before slow imports, where it must fail.

        Raises:
            InvalidParameter: a suffix that says no format, or an encoder that is not there.
            OutputExists: the output is there and `force` was not given.
            WeightsUnavailable: weights that cannot be had.
        """
        if self.form not in {"parquet", "npy"}:
            raise InvalidParameter(f"{self.output}: vectors are written as .parquet or .npy")
        for path in (self.output, *companions(self.output, self.form)):
            refuse_inside(path, (*self.paths, *label_files(self.label)))
            refuse_existing(path, force=self.force)
        family_of(self.spec).require(self.spec, self.modality)


@dataclass(frozen=True)
class Input:
    """Samples, and what of them is not a column of the output.

    Args:
        source: the samples.
        files: what they stand for, in the order read.
        content: the column that the vectors are of, where it does not travel on.
    """

    source: Source
    files: tuple[str, ...]
    content: str | None

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.source.ids)

    def name(self, row: int) -> str:
        """File, row and id, as messages name a sample."""
        return f"{self.source.path}: row {row} (id {self.source.ids.values[row].as_py()!r})"


def opened(request: Request) -> Input:
    """Open the samples; none is read yet.

    Raises:
        CoresetError: whatever opening raises.
    """
    found: Input
    if request.modality == "text":
        if request.root is not None:
            raise InvalidParameter("--root is for images of torchvision; leave it out for texts")
        texts = open_texts(
            request.paths, column=request.column, ids=request.ids, label=request.label
        )
        found = Input(texts, texts.files, None)
    else:
        pictures = open_pictures(
            request.paths,
            column=request.column,
            ids=request.ids,
            label=request.label,
            root=request.root,
        )
        found = Input(pictures, pictures.data.files, pictures.column)
    refuse_inside(request.output, found.files)
    if len(found) == 0:
        raise SchemaMismatch(f"{found.source.path} has no rows; there is nothing to embed")
    return found
