"""Find methods by name: the folder `methods/` is the register; condensation has one of its own."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from coreset_cli import methods
from coreset_cli.condensation import methods as condensers
from coreset_cli.errors import UnknownMethod, did_you_mean
from coreset_cli.settings import filled

if TYPE_CHECKING:
    from coreset_cli.condensation.condenser import Condenser
    from coreset_cli.selector import Score, Selector

__all__ = [
    "canonical_condenser",
    "canonical_name",
    "condenser_names",
    "make_condenser",
    "make_method",
    "method_class",
    "method_names",
]


def method_names() -> list[str]:
    """All names, sorted, from the file names; nothing is imported."""
    return _names(methods)


def condenser_names() -> list[str]:
    """The same of condensation."""
    return _names(condensers)


def canonical_name(name: str) -> str:
    """The name as it is written: lower case, hyphens.

    Raises:
        UnknownMethod: no method has this name; the nearest one is suggested.
    """
    return _canonical(name, methods)


def canonical_condenser(name: str) -> str:
    """The same of condensation.

    Raises:
        UnknownMethod: no method has this name; the nearest one is suggested.
    """
    return _canonical(name, condensers)


def method_class(name: str) -> type:
    """The dataclass of a method.

    Raises:
        UnknownMethod: no method has this name.
    """
    return _class(canonical_name(name), methods)


def make_method(name: str, settings: Mapping[str, str]) -> "Selector | Score":
    """Construct a method from texts, each checked against the field's type.

    Raises:
        UnknownMethod: no method has this name.
        InvalidParameter: no such parameter, or a value that it cannot take.
    """
    return filled(method_class(name), settings, name)


def make_condenser(name: str, settings: Mapping[str, str]) -> "Condenser":
    """Construct a method of condensation in the same way.

    Raises:
        UnknownMethod: no method has this name.
        InvalidParameter: no such parameter, or a value that it cannot take.
    """
    return filled(_class(canonical_condenser(name), condensers), settings, name)


def _names(register: ModuleType) -> list[str]:
    names = {file.stem for folder in register.__path__ for file in Path(folder).glob("*.py")}
    return sorted(n.replace("_", "-") for n in names if n.isidentifier() and n[0] != "_")


def _canonical(name: str, register: ModuleType) -> str:
    wanted, there = name.strip().lower().replace("_", "-"), _names(register)
    if wanted not in there:
        hint = did_you_mean(wanted, there) or f"; there are {', '.join(there)}"
        raise UnknownMethod(f"unknown method '{name}'{hint}")
    return wanted


def _class(name: str, register: ModuleType) -> type:
    module = import_module(f"{register.__name__}.{name.replace('-', '_')}")
    return getattr(module, module.__all__[0])
