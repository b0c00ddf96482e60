"""Checks of settings that several methods have."""

from math import isfinite

from coreset_cli.errors import InvalidParameter

__all__ = ["demand_momentum", "demand_positive"]


def demand_positive(name: str, **values: float | int | None) -> None:
    """Refuse settings that are not above 0; none is left to the method.

    Args:
        name: of the method, for messages.
        values: by the names of the settings.

    Raises:
        InvalidParameter: one is not, or is infinite.
    """
    for setting, value in values.items():
        if value is not None and not (value > 0 and isfinite(value)):
            raise InvalidParameter(f"{name}: {setting} cannot be {value}; it is above 0")


def demand_momentum(name: str, momentum: float) -> None:
    """Refuse a momentum outside [0, 1).

    Raises:
        InvalidParameter: it is.
    """
    if not 0 <= momentum < 1:
        raise InvalidParameter(f"{name}: momentum cannot be {momentum}; it is in [0, 1)")
