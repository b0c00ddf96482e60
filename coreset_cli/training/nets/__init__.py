"""Architectures, one a file; the file name is the name, `_` for `-`."""

from pathlib import Path

__all__ = ["network_names"]


def network_names() -> list[str]:
    """All names, sorted, from the file names; no architecture is imported."""
    names = {file.stem for folder in __path__ for file in Path(folder).glob("*.py")}
    return sorted(n.replace("_", "-") for n in names if n.isidentifier() and n[0] != "_")
