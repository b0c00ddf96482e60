"""Damage to images: five kinds, in two profiles.

`standard` damages images of any size as it should be done; `mds-release` reproduces published rows
and is defined for images of 32 or 64 pixels in colour. Both follow the protocol of Xia et al.,
"Moderate coreset", ICLR 2023.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from coreset_cli.corruption import release, standard
from coreset_cli.corruption.draws import generator
from coreset_cli.errors import InvalidParameter, did_you_mean

__all__ = [
    "KINDS",
    "MIXED",
    "ImageOptions",
    "corrupt_pixels",
    "generator",
    "split_mixed",
    "stored_as_jpeg",
]

KINDS = ("motion", "fog", "resolution", "occlusion", "gaussian")
"""In the order in which `mixed` hands out the rows drawn."""

MIXED = "mixed"
"""A fifth of each kind."""

SIGMA = 0.2
"""Deviation of noise, as a fraction of 255, unless another is asked for."""

WEAKEST, STRONGEST = 0.04, 1.0
"""Range of that deviation."""


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """Parameters of damage to images.

    Args:
        profile: definitions of the kinds.
        sigma: deviation of gaussian noise as a fraction of 255, 0.04 to 1.
        angle: of motion, in degrees counter-clockwise from level.

    Raises:
        InvalidParameter: a value out of range, or one that the profile fixes.
    """

    profile: Literal["standard", "mds-release"] = "standard"
    sigma: float = SIGMA
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not WEAKEST <= self.sigma <= STRONGEST:
            raise InvalidParameter(
                f"sigma {self.sigma:g} is outside [{WEAKEST}, {STRONGEST:g}], fractions of white"
            )
        if not np.isfinite(self.angle):
            raise InvalidParameter(f"angle {self.angle} is no number of degrees")
        if self.profile == "mds-release" and (self.sigma, self.angle) != (SIGMA, 0):
            raise InvalidParameter(
                "the profile mds-release fixes sigma and angle; leave them out, or use standard"
            )


def split_mixed(m: int) -> list[int]:
    """How many of m rows get each kind, in the order of `KINDS`: bounds are ⌊j·m/5⌋."""
    bounds = [j * m // len(KINDS) for j in range(len(KINDS) + 1)]
    return [stop - start for start, stop in pairwise(bounds)]


def corrupt_pixels(
    values: NDArray[np.uint8], kind: str, words: np.random.Generator, options: ImageOptions
) -> NDArray[np.uint8]:
    """Damage one image; the image given stays as it is.

    Args:
        values: [h, w] or [h, w, c], any size from 1 × 1 on.
        kind: one of `KINDS`.
        words: the stream of the row, from `generator`; only occlusion and gaussian draw from it.
        options: profile and parameters.

    Returns:
        The same shape and type.

    Raises:
        InvalidParameter: no such kind, or an image for which the profile is not defined.
    """
    if kind not in KINDS:
        hint = did_you_mean(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise InvalidParameter(f"unknown damage to images '{kind}'{hint}")
    if options.profile == "mds-release":
        return _released(values, kind, words)
    match kind:
        case "motion":
            return standard.motion(values, options.angle)
        case "fog":
            return standard.fog(values)
        case "resolution":
            return standard.resolution(values)
        case "occlusion":
            return standard.occlusion(values, words)
        case _:
            return standard.gaussian(values, words, options.sigma)


def stored_as_jpeg(shape: tuple[int, ...], options: ImageOptions) -> bool:
    """Whether damaged images of a shape have been through JPEG, as those of published rows.

    Where it is true, `corrupt_pixels` has done that: store its result without loss.
    """
    return options.profile == "mds-release" and shape[0] == max(release.SIZES)


def _released(
    values: NDArray[np.uint8], kind: str, words: np.random.Generator
) -> NDArray[np.uint8]:
    if values.shape not in [(size, size, 3) for size in release.SIZES]:
        colour = "in colour" if values.shape[2:] == (3,) else "in grey"
        raise InvalidParameter(
            "the profile mds-release is for images of 32 × 32 or 64 × 64 pixels in colour, not "
            f"{values.shape[0]} × {values.shape[1]} {colour}; use the profile standard"
        )
    match kind:
        case "motion":
            damaged = release.motion(values)
        case "fog":
            damaged = release.fog(values)
        case "resolution":
            damaged = release.resolution(values)
        case "occlusion":
            damaged = release.occlusion(values)
        case _:
            damaged = release.gaussian(values, words)
    return release.after_jpeg(damaged) if len(values) == max(release.SIZES) else damaged
