"""Words of `coreset info`."""

__all__ = ["info"]


def info() -> None:
    """To come."""
