"""One stage a file: artifacts in, one artifact out; no Typer, no printing."""
