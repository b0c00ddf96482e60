"""Options from `coreset.toml`, or from `[tool.coreset]` in `pyproject.toml`."""

import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = ["find_config", "read_config"]


def find_config(folder: Path) -> Path | None:
    """The nearest file that configures coreset, in the folder or above it."""
    for place in (folder, *folder.parents):
        own = place / "coreset.toml"
        if own.is_file():
            return own
        project = place / "pyproject.toml"
        if project.is_file() and "coreset" in _load(project).get("tool", {}):
            return project
    return None


def read_config(path: Path, options: Mapping[str, Iterable[str]]) -> dict[str, dict[str, Any]]:
    """Defaults for each command.

    Args:
        path: the file.
        options: the names of the options of each command, as on the command line.

    Raises:
        InvalidParameter: no TOML, or a table or key that is no command or option.
    """
    tables = _load(path)
    if path.name == "pyproject.toml":
        tables = tables["tool"]["coreset"]
    defaults: dict[str, dict[str, Any]] = {}
    for command, table in tables.items():
        if command not in options or not isinstance(table, dict):
            hint = did_you_mean(command, options) or f"; there are {', '.join(options)}"
            raise InvalidParameter(f"{path}: [{command}] is no command{hint}")
        known = {name.replace("-", "_"): name for name in options[command]}
        for key, value in table.items():
            if key.replace("-", "_") not in known:
                hint = did_you_mean(key, known.values())
                raise InvalidParameter(f"{path}: [{command}] has no option '{key}'{hint}")
            defaults.setdefault(command, {})[key.replace("-", "_")] = _as_typed(value)
    return defaults


def _load(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidParameter(f"{path} is no TOML: {error}") from error


def _as_typed(value: object) -> object:
    """A value as the command line would have it: a table becomes `name=value` texts."""
    if isinstance(value, dict):
        return [f"{name}={_text(inner)}" for name, inner in value.items()]
    if isinstance(value, list):
        return [_text(inner) for inner in value]
    return value if isinstance(value, bool) else _text(value)


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
