"""Find methods by name: the folder `methods/` is the register."""

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import import_module
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Literal, Union, get_args, get_origin, get_type_hints

from coreset_cli.errors import InvalidParameter, UnknownMethod, did_you_mean

if TYPE_CHECKING:
    from coreset_cli.selector import Score, Selector

__all__ = ["Card", "card_of", "make_method", "method_class", "method_names", "parse_settings"]

_FOLDER = Path(__file__).parent.parent / "methods"


def method_names() -> list[str]:
    """All names, sorted, from the file names; nothing is imported."""
    names = (file.stem for file in _FOLDER.glob("*.py"))
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


@dataclass(frozen=True, kw_only=True)
class Card:
    """What there is to know of a method before running it.

    Args:
        name: on the command line.
        summary: one sentence.
        needs: what it reads with default parameters.
        cost: time and memory in n rows, d values a row, k picks.
        exact: the same picks for any threads, blocks, storage and order of rows.
        prefix: prefixes are the smaller selections, with default parameters.
        robustness: what it does with corrupted rows.
        source: where it was published.
        deviates: where it differs from there.
        parameters: name, type, default and meaning of each.
    """

    name: str
    summary: str
    needs: tuple[str, ...]
    cost: str
    exact: bool
    prefix: bool
    robustness: str
    source: str
    deviates: str
    parameters: tuple[dict[str, str], ...]


def card_of(name: str) -> Card:
    """Read a method's card from its file: docstrings and fields.

    Raises:
        UnknownMethod: no method has this name.
    """
    name = canonical_name(name)
    found = method_class(name)
    method = found()
    text = ast.get_docstring(
        ast.parse((_FOLDER / f"{name.replace('-', '_')}.py").read_text(encoding="utf-8"))
    )
    sections = _sections(text or "")
    meanings = _arguments(found.__doc__ or "")
    hints = get_type_hints(found)
    return Card(
        name=name,
        summary=sections[""],
        needs=tuple(sorted(method.needs)),
        cost=sections.get("Cost", ""),
        exact=method.exact,
        prefix=getattr(method, "prefix", True),
        robustness=sections.get("Robustness", ""),
        source=sections.get("Source", ""),
        deviates=sections.get("Deviates", ""),
        parameters=tuple(
            {
                "name": field.name,
                "type": _type_text(hints[field.name]),
                "default": json.dumps(getattr(method, field.name)),
                "meaning": meanings.get(field.name, ""),
            }
            for field in fields(found)
        ),
    )


def _sections(text: str) -> dict[str, str]:
    """The first paragraph, and what follows `Source:`, `Cost:` and the like."""
    found = re.split(r"^(Source|Cost|Robustness|Deviates): ", text, flags=re.MULTILINE)
    named = dict(zip(found[1::2], found[2::2], strict=True))
    return {key: " ".join(part.split()) for key, part in {"": found[0], **named}.items()}


def _arguments(text: str) -> dict[str, str]:
    """Meaning of each field, from the `Args:` of a class docstring."""
    block = text.partition("Args:")[2]
    found = re.split(r"^\s{8}(\w+): ", block, flags=re.MULTILINE)
    return {
        name: " ".join(part.split()) for name, part in zip(found[1::2], found[2::2], strict=True)
    }


def _type_text(kind: object) -> str:
    if get_origin(kind) is Literal:
        return " | ".join(map(str, get_args(kind)))
    return getattr(kind, "__name__", str(kind))


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
