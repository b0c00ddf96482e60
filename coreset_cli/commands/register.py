"""Find methods by name: the folder `methods/` is the register."""

from collections.abc import Mapping
from dataclasses import fields
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin, get_type_hints

from coreset_cli import methods
from coreset_cli.errors import InvalidParameter, UnknownMethod, did_you_mean

if TYPE_CHECKING:
    from coreset_cli.selector import Score, Selector

__all__ = ["canonical_name", "make_method", "method_class", "method_names", "parse_settings"]


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


def parse_settings(settings: list[str]) -> dict[str, str]:
    """Split `name=value` texts.

    Raises:
        InvalidParameter: no `=` in one, or a name twice.
    """
    parsed: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise InvalidParameter(f"--set takes name=value, not '{setting}'")
        name = name.strip().replace("-", "_")
        if name in parsed:
            raise InvalidParameter(f"--set {name} is given twice")
        parsed[name] = value.strip()
    return parsed


def make_method(name: str, settings: Mapping[str, str]) -> "Selector | Score":
    """Construct a method from texts, each checked against the field's type.

    Raises:
        UnknownMethod: no method has this name.
        InvalidParameter: no such parameter, or a value that it cannot take.
    """
    found = method_class(name)
    hints = get_type_hints(found)
    known = {field.name: hints[field.name] for field in fields(found)}
    values = {}
    for parameter, text in settings.items():
        if parameter not in known:
            listed = f"; it has {', '.join(known)}" if known else "; it has none"
            hint = did_you_mean(parameter, known) or listed
            raise InvalidParameter(f"{name} has no parameter '{parameter}'{hint}")
        values[parameter] = _converted(text, known[parameter], f"{name}: {parameter}")
    return found(**values)


def _converted(text: str, kind: object, name: str) -> object:
    if get_origin(kind) is Literal:
        choices = [str(choice) for choice in get_args(kind)]
        if text not in choices:
            hint = did_you_mean(text, choices) or f"; it takes {', '.join(choices)}"
            raise InvalidParameter(f"{name} cannot be '{text}'{hint}")
        return get_args(kind)[choices.index(text)]
    if get_origin(kind) in (Union, UnionType):
        if text.lower() == "none" and NoneType in get_args(kind):
            return None
        return _converted(text, next(a for a in get_args(kind) if a is not NoneType), name)
    if kind is bool:
        if text.lower() not in {"true", "false"}:
            raise InvalidParameter(f"{name} cannot be '{text}'; it is true or false")
        return text.lower() == "true"
    assert isinstance(kind, type)
    try:
        value = kind(text)
    except ValueError as error:
        raise InvalidParameter(f"{name} cannot be '{text}'; it takes {kind.__name__}") from error
    if isinstance(value, float) and value != value:
        raise InvalidParameter(f"{name} cannot be NaN")
    return value
