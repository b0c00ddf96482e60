"""coreset: embedding files in, the rows worth training on out."""

__all__ = ["__version__"]

__version__ = "0.1.0"
