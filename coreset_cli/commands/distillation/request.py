"""What `distill` is asked for."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from coreset_cli.artifacts.columns import label_files
from coreset_cli.commands.register import canonical_condenser
from coreset_cli.errors import InvalidParameter
from coreset_cli.io.atomic import refuse_existing, refuse_inside

__all__ = ["Request"]

CORESET = "coreset:"
"""Before the name of a selection to begin with."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked `distill` for.

    Args:
        paths: the data, as typed.
        output: where to.
        method: its name.
        ipc: images a class.
        max_memory: bytes the process may use.
        settings: the method's parameters, as texts.
        model: network and its settings.
        iterations: outer ones; none takes the published number.
        init: noise, real or coreset:SELECTION; none takes what was published.
        real_subset: a selection; only its rows are condensed.
        column: of images.
        ids: column of ids.
        label: column or file of labels.
        root: folder of data sets known by name.
        plot: where to draw the images.
        coverage: where to draw the real rows that each of them stands for.
        checkpoint_every: outer iterations between two checkpoints; none goes by time.
        seed: of all draws.
        device: as typed.
        force: replace an output that is there, and unfinished work of another run.
    """

    paths: tuple[str, ...]
    output: Path
    method: str
    ipc: int
    max_memory: int
    settings: Mapping[str, str]
    model: str = "convnet"
    iterations: int | None = None
    init: str | None = None
    real_subset: Path | None = None
    column: str | None = None
    ids: str | None = None
    label: str | None = None
    root: Path | None = None
    plot: Path | None = None
    coverage: Path | None = None
    checkpoint_every: int | None = None
    seed: int = 0
    device: str = "auto"
    force: bool = False

    @property
    def partial(self) -> Path:
        """The folder of unfinished work."""
        return self.output.with_name(f"{self.output.name}.partial")

    @property
    def first_rows(self) -> Path | None:
        """The selection to begin with, where one is named."""
        named = self.init is not None and self.init.startswith(CORESET)
        return Path(str(self.init).removeprefix(CORESET)) if named else None

    def refuse_early(self) -> None:
        """Stop before any work, and before slow imports, where it must fail.

        Raises:
            UnknownMethod: no method has this name.
            InvalidParameter: a number below 1, a suffix that says no format, an unknown start, or
                an output among the inputs.
            OutputExists: an output is there and `force` was not given.
        """
        canonical_condenser(self.method)
        for option, number in [
            ("--ipc", self.ipc),
            ("--iterations", self.iterations),
            ("--checkpoint-every", self.checkpoint_every),
        ]:
            if number is not None and number < 1:
                raise InvalidParameter(f"{option} is {number}; it is at least 1")
        if self.init not in (None, "noise", "real") and self.first_rows is None:
            raise InvalidParameter(
                f"--init cannot be '{self.init}'; it is noise, real or coreset:SELECTION"
            )
        if self.output.suffix.lower() != ".parquet":
            raise InvalidParameter(f"{self.output}: a synthetic set is written as .parquet")
        drawn = {"--plot": self.plot, "--coverage": self.coverage}
        outputs = [self.output.resolve()]
        for option, path in drawn.items():
            if path is None:
                continue
            if path.suffix.lower() != ".png":
                raise InvalidParameter(f"{option} {path}: images are drawn as .png")
            if path.resolve() in outputs:
                raise InvalidParameter(f"{path} is named for two outputs; give each its own file")
            outputs.append(path.resolve())
        selections = [str(path) for path in (self.first_rows, self.real_subset) if path is not None]
        for path in filter(None, (self.output, *drawn.values())):
            refuse_inside(path, (*self.paths, *selections, *label_files(self.label)))
            refuse_existing(path, force=self.force)
