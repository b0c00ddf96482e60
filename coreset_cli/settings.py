"""Parameters as texts: `name=value` and `NAME:field=value,…`, checked against a dataclass."""

from collections.abc import Iterable, Mapping
from dataclasses import fields
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["converted", "filled", "parse_settings", "parse_spec"]

T = TypeVar("T")


def parse_settings(settings: Iterable[str], option: str = "--set") -> dict[str, str]:
    """Split `name=value` texts.

    Args:
        settings: the texts.
        option: where they stand, for messages.

    Raises:
        InvalidParameter: no `=` in one, or a name twice.
    """
    parsed: dict[str, str] = {}
    for setting in settings:
        name, equals, value = setting.partition("=")
        if not equals or not name.strip():
            raise InvalidParameter(f"{option} takes name=value, not '{setting}'")
        name = name.strip().replace("-", "_")
        if name in parsed:
            raise InvalidParameter(f"{option} {name} is given twice")
        parsed[name] = value.strip()
    return parsed


def parse_spec(text: str, option: str) -> tuple[str, dict[str, str]]:
    """Split `NAME` or `NAME:field=value,field=value`; names are lower case with hyphens.

    Args:
        text: what the user typed.
        option: where, for messages.

    Raises:
        InvalidParameter: settings that are not `name=value`.
    """
    name, _, rest = text.partition(":")
    return name.strip().lower().replace("_", "-"), parse_settings(
        filter(None, rest.split(",")), option
    )


def filled(kind: type[T], settings: Mapping[str, str], name: str) -> T:
    """Construct a dataclass from texts, each checked against its field's type.

    Args:
        kind: the dataclass.
        settings: a text for some of its fields.
        name: what messages call it.

    Raises:
        InvalidParameter: no such field, or a value that it cannot take.
    """
    return kind(**converted(kind, settings, name))


def converted(kind: type[Any], settings: Mapping[str, str], name: str) -> dict[str, Any]:
    """Values of some fields of a dataclass from texts; those of a tuple are joined with `+`.

    Args:
        kind: the dataclass.
        settings: a text for some of its fields.
        name: what messages call it.

    Raises:
        InvalidParameter: no such field, or a value that it cannot take.
    """
    hints = get_type_hints(kind)
    known = {field.name: hints[field.name] for field in fields(kind) if field.init}
    values = {}
    for parameter, text in settings.items():
        if parameter not in known:
            listed = f"; it has {', '.join(known)}" if known else "; it has none"
            hint = did_you_mean(parameter, known) or listed
            raise InvalidParameter(f"{name} has no parameter '{parameter}'{hint}")
        values[parameter] = _converted(text, known[parameter], f"{name}: {parameter}")
    return values


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
        inner = [a for a in get_args(kind) if a is not NoneType]
        words = [str(word) for a in inner if get_origin(a) is Literal for word in get_args(a)]
        if text in words:
            return text
        try:
            return _converted(text, inner[0], name)
        except InvalidParameter as error:
            if not words:
                raise
            raise InvalidParameter(f"{error}, or {', '.join(words)}") from error
    if get_origin(kind) is tuple:
        return tuple(_converted(part, get_args(kind)[0], name) for part in text.split("+"))
    if kind is bool:
        if text.lower() not in {"true", "false"}:
            raise InvalidParameter(f"{name} cannot be '{text}'; it is true or false")
        return text.lower() == "true"
    assert isinstance(kind, type)
    try:
        value = kind(text)
    except (ValueError, ZeroDivisionError) as error:
        raise InvalidParameter(f"{name} cannot be '{text}'; it takes {kind.__name__}") from error
    if isinstance(value, float) and value != value:
        raise InvalidParameter(f"{name} cannot be NaN")
    return value
