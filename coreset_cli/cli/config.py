"""Options from `coreset.toml`, or from `[tool.coreset]` in `pyproject.toml`."""

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from typer.core import TyperOption

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["find_config", "option_name", "read_config"]

_HOMES = {"coreset.toml": (), "pyproject.toml": ("tool", "coreset")}
"""Where in each file the tables of the commands are; the first file found counts."""


def find_config(folder: Path) -> Path | None:
    """The nearest file that configures coreset, in the folder or above it.

    Raises:
        InvalidParameter: a file on the way is no TOML, or cannot be read.
    """
    for place in (folder, *folder.parents):
        for name, home in _HOMES.items():
            path = place / name
            if path.is_file() and _tables(path, home) is not None:
                return path
    return None


def option_name(option: TyperOption) -> str:
    """The name of an option in variables and files: its first long flag, with underscores."""
    long = next(flag for flag in option.opts if flag.startswith("--"))
    return long.removeprefix("--").replace("-", "_")


def read_config(
    path: Path, options: Mapping[str, Sequence[TyperOption]]
) -> dict[str, dict[str, Any]]:
    """Defaults for each command, by the names of its parameters.

    Args:
        path: the file, from `find_config`.
        options: the options of each command.

    Raises:
        InvalidParameter: a table or key that is no command or option, or a value of another kind.
    """
    tables = _tables(path, _HOMES[path.name])
    assert tables is not None
    return {name: _defaults(path, name, table, options) for name, table in tables.items()}


def _defaults(
    path: Path, command: str, table: object, options: Mapping[str, Sequence[TyperOption]]
) -> dict[str, Any]:
    if command not in options or not isinstance(table, dict):
        hint = did_you_mean(command, options) or f"; there are {', '.join(options)}"
        raise InvalidParameter(f"{path}: [{command}] is no table of a command{hint}")
    known = {option_name(option): option for option in options[command]}
    defaults = {}
    for key, value in table.items():
        option = known.get(key.replace("-", "_"))
        if option is None:
            hint = did_you_mean(key.replace("-", "_"), known)
            raise InvalidParameter(f"{path}: [{command}] has no option '{key}'{hint}")
        defaults[str(option.name)] = _as_typed(value, option, f"{path}: [{command}] {key}")
    return defaults


def _as_typed(value: object, option: TyperOption, where: str) -> bool | str | list[str]:
    """A value as the command line would have it: a table becomes `name=value` texts."""
    if option.is_flag:
        if not isinstance(value, bool):
            raise InvalidParameter(f"{where} takes true or false, not {value!r}")
        return value
    if not option.multiple:
        if isinstance(value, (dict, list)):
            raise InvalidParameter(f"{where} takes one value, not {value!r}")
        return _text(value)
    if isinstance(value, dict):
        return [f"{name}={_text(inner)}" for name, inner in value.items()]
    return [_text(inner) for inner in value] if isinstance(value, list) else [_text(value)]


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _tables(path: Path, home: tuple[str, ...]) -> dict[str, Any] | None:
    """The tables of the commands, or nothing where the file does not configure coreset."""
    try:
        tables: object = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"{path} is no TOML: {error}") from error
    except OSError as error:
        raise InvalidParameter(f"cannot read {path}: {error.strerror}") from error
    for name in home:
        tables = tables.get(name) if isinstance(tables, dict) else None
    return tables if isinstance(tables, dict) else None
