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

__all__ = ["below", "generator", "normals", "uniforms"]


def generator(word: int) -> np.random.Generator:
    """The stream of a row.

    Args:
        word: in [0, 2⁶⁴), from `Rng.draws` with a purpose that names the kind of corruption.
    """
    return np.random.Generator(np.random.Philox(key=word))


def uniforms(words: np.random.Generator, m: int) -> NDArray[np.float64]:
    """[m] draws from (0, 1), multiples of 2⁻⁵³."""
    fractions = (words.bit_generator.random_raw(m) >> np.uint64(12)).astype(np.float64)
    return (fractions + 0.5) * 2.0**-52


def normals(words: np.random.Generator, m: int) -> NDArray[np.float64]:
    """[m] standard normal draws, by pairs: the cosines first, then the sines."""
    pairs = (m + 1) // 2
    draws = uniforms(words, 2 * pairs)
    radius = np.sqrt(-2 * np.log(draws[:pairs]))
    angle = 2 * np.pi * draws[pairs:]
    return np.concatenate([radius * np.cos(angle), radius * np.sin(angle)])[:m]


def below(words: np.random.Generator, limit: int) -> int:
    """A draw from 0 … limit − 1; none is likelier than another by more than 2⁻⁶⁴."""
    return int(words.bit_generator.random_raw()) * limit >> 64
