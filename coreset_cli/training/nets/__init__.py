"""Architectures, one a file; the file name is the name, `_` for `-`."""
