"""What vectors and images have in common: ids, labels and scalar columns."""

from typing import Protocol

from coreset_cli.artifacts.columns import Columns
from coreset_cli.artifacts.ids import Ids
from coreset_cli.artifacts.labels import Labels, make_labels
from coreset_cli.errors import InvalidParameter

__all__ = ["Samples", "column_labels", "require_labels"]


class Samples(Protocol):
    """An input; row i of everything is the same sample."""

    @property
    def path(self) -> str:
        """As the user typed it."""

    @property
    def ids(self) -> Ids:
        """One name a row."""

    @property
    def columns(self) -> Columns:
        """Scalar columns."""

    @property
    def labels(self) -> Labels | None:
        """One class a row, where the input has labels."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the user should know of how it was read."""


def require_labels(samples: Samples, option: str = "--label") -> Labels:
    """The labels.

    Args:
        samples: that should have some.
        option: that names them, for the message.

    Raises:
        InvalidParameter: there are none.
    """
    if samples.labels is None:
        raise InvalidParameter(
            f"{samples.path} has no labels (columns: "
            f"{', '.join(samples.columns.names) or 'none'}); name a column or a file with {option}"
        )
    return samples.labels


def column_labels(samples: Samples, name: str) -> Labels:
    """Labels from another column.

    Raises:
        SchemaMismatch: not labels.
    """
    return make_labels(samples.columns.read(name), f"{samples.path}: column '{name}'")
