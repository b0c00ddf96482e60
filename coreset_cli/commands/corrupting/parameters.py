"""Which of `--images`, `--labels` and `--vectors` a `--set name=value` is for."""

from collections.abc import Collection, Mapping
from dataclasses import fields
from typing import Any

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["routed"]

FIXED = frozenset({"profile"})
"""Fields that have an option of their own."""


def routed(
    settings: Mapping[str, str], kinds: Mapping[str, type[Any]], given: Collection[str]
) -> dict[str, dict[str, str]]:
    """The settings of each part, by the fields that it has.

    Args:
        settings: texts by name.
        kinds: the parameters of each part, as a dataclass.
        given: the parts of this run.

    Raises:
        InvalidParameter: a name that no part has, or only parts that are not in this run.
    """
    names = {
        part: {field.name for field in fields(kind) if field.name not in FIXED}
        for part, kind in kinds.items()
    }
    found: dict[str, dict[str, str]] = {part: {} for part in kinds}
    for name, text in settings.items():
        owners = [part for part in kinds if name in names[part]]
        if not owners:
            usable = sorted({known for part in given for known in names[part]})
            hint = did_you_mean(name, usable) or f"; there are {', '.join(usable)}"
            raise InvalidParameter(f"--set: no parameter '{name}'{hint}")
        if not set(owners) & set(given):
            raise InvalidParameter(
                f"--set {name} is for {' or '.join(owners)}, and this run has none; leave it out"
            )
        for part in owners:
            found[part][name] = text
    return found
