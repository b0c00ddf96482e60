"""Find methods by name: the folder `methods/` is the register."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from coreset_cli import methods
from coreset_cli.errors import UnknownMethod, did_you_mean
from coreset_cli.settings import filled

if TYPE_CHECKING:
    from coreset_cli.selector import Score, Selector

__all__ = ["canonical_name", "make_method", "method_class", "method_names"]


def method_names() -> list[str]:
    """All names, sorted, from the file names; nothing is imported."""
    names = {file.stem for folder in methods.__path__ for file in Path(folder).glob("*.py")}
    return sorted(n.replace("_", "-") for n in names if n.isidentifier() and n[0] != "_")


def canonical_name(name: str) -> str:
    """The name as it is written: lower case, hyphens.

    Raises:
        UnknownMethod: no method has this name; the nearest one is suggested.
    """
    wanted = name.strip().lower().replace("_", "-")
    if wanted not in method_names():
        hint = did_you_mean(wanted, method_names()) or f"; there are {', '.join(method_names())}"
        raise UnknownMethod(f"unknown method '{name}'{hint}")
    return wanted


def method_class(name: str) -> type:
    """The dataclass of a method.

    Raises:
        UnknownMethod: no method has this name.
    """
    module = import_module(f"coreset_cli.methods.{canonical_name(name).replace('-', '_')}")
    return getattr(module, module.__all__[0])


def make_method(name: str, settings: Mapping[str, str]) -> "Selector | Score":
    """Construct a method from texts, each checked against the field's type.

    Raises:
        UnknownMethod: no method has this name.
        InvalidParameter: no such parameter, or a value that it cannot take.
    """
    return filled(method_class(name), settings, name)
