"""Where the results of `evaluate` go."""

from dataclasses import dataclass
from pathlib import Path

from coreset_cli.artifacts.report import Report, write_report
from coreset_cli.commands.evaluation.request import Request
from coreset_cli.errors import InvalidParameter
from coreset_cli.io.atomic import refuse_existing, refuse_inside

__all__ = ["Outputs"]

FIGURES = (".png", ".pdf", ".svg")


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """Where the report and the figure go.

    Args:
        report: the JSON file.
        figure: the picture.
        model: the checkpoint of a network.
        record: its signals of training.
    """

    report: Path | None = None
    figure: Path | None = None
    model: Path | None = None
    record: Path | None = None

    @classmethod
    def of(
        cls,
        report: Path | None = None,
        figure: Path | None = None,
        model: Path | None = None,
        record: Path | None = None,
        *,
        request: Request,
        force: bool,
    ) -> "Outputs":
        """Check the outputs before any work.

        Raises:
            OutputExists: one is there and `force` is not given.
            InvalidParameter: a suffix that is no picture, one of the inputs, a file twice, or a
                model to keep where there is none, or more than one.
        """
        found = cls(report=report, figure=figure, model=model, record=record)
        if found.keeps_model:
            _require_one_network(request)
        if request.record_folds and record is None:
            raise InvalidParameter("--record-folds adds to the signals; name their file: --record")
        places = [path for path in (report, figure, model, record) if path is not None]
        for path in places:
            refuse_inside(path, request.inputs)
            refuse_existing(path, force=force)
            if [other.resolve() for other in places].count(path.resolve()) > 1:
                raise InvalidParameter(f"{path} is named for two outputs; give each its own file")
        if figure is not None and figure.suffix.lower() not in FIGURES:
            raise InvalidParameter(f"--plot {figure}: write {', '.join(FIGURES)}")
        return found

    @property
    def keeps_model(self) -> bool:
        """More than a report is wanted of one network."""
        return self.model is not None or self.record is not None

    def write(self, report: Report) -> None:
        """Write both, each whole or not at all."""
        if self.report is not None:
            write_report(self.report, report)
        if self.figure is not None:
            from coreset_cli.commands.evaluation.figure import draw

            draw(report, self.figure)


def _require_one_network(request: Request) -> None:
    """Check that it is clear which network is to be kept."""
    if request.network is None:
        raise InvalidParameter(
            "--save-model and --record keep networks; name one with --model, as in --model resnet18"
        )
    results = len(request.selections) + len(request.methods) * len(request.budgets)
    if "full" not in request.baselines and results != 1:
        raise InvalidParameter(
            f"--save-model and --record keep one model, and there are {results} results; "
            "add the baseline full, or evaluate one result"
        )
