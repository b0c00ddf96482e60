"""Every error a user can act on.

CoresetError
├── InputError (2)         UnknownMethod, InvalidParameter, MissingInput, FileMissing, OutputExists,
│   │                      InfeasibleBudget
│   └── ArtifactError (3)  ArtifactIncomplete, BrokenImage, SchemaMismatch, IdMismatch, StaleParent
├── NumericalError (3)     NotFinite
├── ResourceError (4)      DataUnavailable, DeviceUnavailable, DoesNotFit, DiskFull,
│                          WeightsUnavailable
├── RowsSkipped (5)        done, but rows were left out because the user allowed it
└── GateFailed (1)         the run went well, a gate the user set did not pass

A message says what was expected, what came, and the next step. A bug is none of these: it crashes
with its traceback, and the command line asks for a report.
"""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import ClassVar

__all__ = [
    "ArtifactError",
    "ArtifactIncomplete",
    "BrokenImage",
    "CoresetError",
    "DataUnavailable",
    "DeviceUnavailable",
    "DiskFull",
    "DoesNotFit",
    "FileMissing",
    "GateFailed",
    "IdMismatch",
    "InfeasibleBudget",
    "InputError",
    "InvalidParameter",
    "MissingInput",
    "NotFinite",
    "NumericalError",
    "OutputExists",
    "ResourceError",
    "RowsSkipped",
    "SchemaMismatch",
    "StaleParent",
    "UnknownMethod",
    "WeightsUnavailable",
    "did_you_mean",
]


class CoresetError(Exception):
    """What a user can act on; the command line prints one line and exits with `exit_code`."""

    exit_code: ClassVar[int] = 70


class InputError(CoresetError):
    """The request itself is wrong."""

    exit_code = 2


class UnknownMethod(InputError):
    """No method has this name."""


class InvalidParameter(InputError):
    """An option or a method's parameter has an impossible name or value."""


class MissingInput(InputError):
    """A method needs something that was not given."""


class FileMissing(InputError):
    """An input file is not there, or cannot be read."""


class OutputExists(InputError):
    """An output is there already and `--force` was not given."""


class InfeasibleBudget(InputError):
    """The number of rows asked for cannot be had."""


class ArtifactError(InputError):
    """A file is not what it should be."""

    exit_code = 3


class ArtifactIncomplete(ArtifactError):
    """A file is empty, truncated or half written."""


class BrokenImage(ArtifactError):
    """An image cannot be decoded."""


class SchemaMismatch(ArtifactError):
    """A file holds other columns, shapes or types than expected."""


class IdMismatch(ArtifactError):
    """Rows of two files do not belong together."""


class StaleParent(ArtifactError):
    """A file was made from other data than what is given beside it."""


class NumericalError(CoresetError):
    """The numbers cannot be worked with."""

    exit_code = 3


class NotFinite(NumericalError):
    """NaN or Inf in the input or while computing."""


class ResourceError(CoresetError):
    """The machine does not have what the run needs."""

    exit_code = 4


class DataUnavailable(ResourceError):
    """A data set named is not on this machine and cannot be fetched."""


class DeviceUnavailable(ResourceError):
    """The device asked for is not there."""


class DoesNotFit(ResourceError):
    """The run needs more memory than it may use."""


class DiskFull(ResourceError):
    """No space is left for an output or a temporary file."""


class WeightsUnavailable(ResourceError):
    """Pretrained weights are neither here nor to be had from the network."""


class RowsSkipped(CoresetError):
    """The output is written, but without rows that could not be read, as `--on-error skip` asks."""

    exit_code = 5


class GateFailed(CoresetError):
    """The run went well, but a result is below what `--fail-under` demands."""

    exit_code = 1


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Name the nearest of the known words, as the end of a message; empty where none is near."""
    near = get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else ""
