"""Random numbers of one row: a stream keyed by a 64-bit word, from integers upwards.

What is guaranteed: the integers are Philox-4×64 (a counter, no state to warm up), which NumPy
promises never to change; uniform draws and places are made of them here by exact operations, so
they are the same for every version and processor. Normal draws go through a logarithm, a sine and
a cosine, whose last bit may differ between versions: a pixel changes where that bit decides a
rounding, about once in 10¹³.

Source: Salmon, Moraes, Dror & Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011; Box &
Muller, "A note on the generation of random normal deviates", Ann. Math. Statist. 29, 1958.
"""

import numpy as np
from numpy.typing import NDArray

from coreset_cli.seeds import mix64

__all__ = ["below", "generator", "normals", "row_normals", "uniforms"]


def generator(word: int) -> np.random.Generator:
    """The stream of a row.

    Args:
        word: in [0, 2⁶⁴), from `Rng.draws` with a purpose that names the kind of corruption.
    """
    return np.random.Generator(np.random.Philox(key=word))


def uniforms(words: np.random.Generator, m: int) -> NDArray[np.float64]:
    """[m] draws from (0, 1), multiples of 2⁻⁵³."""
    return _fractions(words.bit_generator.random_raw(m))


def normals(words: np.random.Generator, m: int) -> NDArray[np.float64]:
    """[m] standard normal draws, by pairs: the cosines first, then the sines."""
    return _paired(uniforms(words, m + m % 2))[:m]


def row_normals(words: NDArray[np.uint64], d: int) -> NDArray[np.float64]:
    """Standard normal draws for many rows at once, each row from its own word.

    Args:
        words: [m] one a row, from `Rng.draws`.
        d: draws of a row.

    Returns:
        [m, d]
    """
    columns = mix64(np.arange(d + d % 2, dtype=np.uint64))
    return _paired(_fractions(mix64(words[:, None] ^ columns)))[:, :d]


def below(words: np.random.Generator, limit: int) -> int:
    """A draw from 0 … limit − 1; none is likelier than another by more than 2⁻⁶⁴."""
    return int(words.bit_generator.random_raw()) * limit >> 64


def _fractions(integers: NDArray[np.uint64]) -> NDArray[np.float64]:
    return ((integers >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _paired(draws: NDArray[np.float64]) -> NDArray[np.float64]:
    """Normal draws along the last axis, of as many uniform ones; their number is even."""
    first, second = np.split(draws, 2, axis=-1)
    radius, angle = np.sqrt(-2 * np.log(first)), 2 * np.pi * second
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)], axis=-1)
