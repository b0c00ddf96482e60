"""Words of `coreset take`."""

__all__ = ["take"]


def take() -> None:
    """To come."""
