"""Words of `coreset methods`."""

__all__ = ["methods"]


def methods() -> None:
    """To come."""
