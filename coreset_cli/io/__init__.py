"""Bytes: formats, digests and whole files."""
