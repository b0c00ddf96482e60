"""What `evaluate` leaves: checkpoints of networks, signals of their training, reports."""

from pathlib import Path
from zipfile import BadZipFile, ZipFile

from coreset_cli.artifacts.report import read_report
from coreset_cli.artifacts.signals import read_signals
from coreset_cli.commands.inspection.found import Info, Question, counts_of

__all__ = ["checkpoint_found", "is_checkpoint", "report_found", "signals_found"]


def is_checkpoint(path: Path) -> bool:
    """Whether an archive is torch's: `.npz` files are archives, too."""
    try:
        with ZipFile(path) as archive:
            return any(name.endswith("/data.pkl") for name in archive.namelist())
    except BadZipFile:
        return False


def checkpoint_found(question: Question) -> Info:
    """Load the network, which checks every weight, and show its card."""
    from coreset_cli.training.checkpoint import checkpoint_digest, load_checkpoint

    path = Path(question.path)
    _, card = load_checkpoint(path)
    train = card.train or {}
    return Info(
        path=question.path,
        kind="checkpoint",
        files=(question.path,),
        content_digest=checkpoint_digest(path),
        facts={
            "network": card.network,
            "classes": ", ".join(card.classes),
            "images": f"{card.size} × {card.size}, {'grey' if card.channels == 1 else 'colour'}",
            "recipe": f"{card.recipe.get('name')}, {card.epoch} epochs, seed {card.seed}",
            "trained on": f"{train.get('path')}, labels {card.labels}",
            **card.facts,
        },
    )


def signals_found(question: Question) -> Info:
    """Read all signals."""
    signals = read_signals(Path(question.path))
    record = signals.record
    return Info(
        path=question.path,
        kind="signals",
        rows=len(signals.ids),
        files=(question.path,),
        ids=signals.ids.kind,
        ids_digest=signals.ids.digest(),
        classes=counts_of(signals.labels),
        facts={
            "network": record.network,
            "recipe": f"{record.recipe.get('name')}, {record.epochs} epochs, seed {record.seed}",
            "snapshots": f"after epochs {', '.join(map(str, record.snapshot_epochs))}",
            "held out": "logits" if signals.held_out is not None else "nothing",
            "trained on": record.train.get("path"),
        },
    )


def report_found(question: Question) -> Info:
    """What was compared."""
    report = read_report(Path(question.path))
    cells = [f"{cell.name} {100 * cell.accuracy:.1f} % at {cell.k:,}" for cell in report.cells]
    return Info(
        path=question.path,
        kind="report",
        files=(question.path,),
        warnings=report.warnings,
        facts={
            "model": report.model,
            "recipe": report.recipe.get("name"),
            "train": report.train.path,
            "test": report.test.path,
            "accuracy": ", ".join(cells),
        },
    )
