"""Words of `coreset evaluate`."""

__all__ = ["evaluate"]


def evaluate() -> None:
    """To come."""
