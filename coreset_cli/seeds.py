"""Randomness that follows the sample, not its place in a file.

A draw for a row is a keyed hash of (seed, purpose, id). The order of files and rows, the number of
threads and the size of blocks therefore change nothing, and a subset of rows draws what it would
have drawn among all rows.

Source: the finaliser is splitmix64 (Steele, Lea & Flood, "Fast splittable pseudorandom number
generators", OOPSLA 2014).
"""

from dataclasses import dataclass
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray

__all__ = ["Key", "Rng", "derived_seed", "mix64"]


@dataclass(frozen=True)
class Key:
    """What a method may know of the ids: their order, for ties, and a hash, for draws.

    Args:
        rank: [n] int64, position of each row's id among all ids (integers by value, else UTF-8).
        hash: [n] uint64, a hash of each row's id.
    """

    rank: NDArray[np.int64]
    hash: NDArray[np.uint64]

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.rank)

    def take(self, rows: NDArray[np.int64]) -> "Key":
        """Keys of some rows, in that order."""
        return Key(self.rank[rows], self.hash[rows])


def mix64(words: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scramble 64-bit words; a bijection."""
    mixed = words + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def derived_seed(seed: int, purpose: str) -> int:
    """A seed of its own for a purpose, from 0 to 2⁶³ − 1."""
    salt = blake2b(f"{seed}\0{purpose}".encode(), digest_size=8).digest()
    return int.from_bytes(salt, "little") >> 1


@dataclass(frozen=True)
class Rng:
    """All draws of a run, from one seed.

    Args:
        seed: any integer.
    """

    seed: int

    def draws(self, purpose: str, key: Key) -> NDArray[np.uint64]:
        """One 64-bit word a row, uniform and independent between purposes and ids."""
        salt = blake2b(f"{self.seed}\0{purpose}".encode(), digest_size=16).digest()
        first, second = np.frombuffer(salt, dtype="<u8").astype(np.uint64)
        return mix64(mix64(key.hash ^ first) ^ second)

    def shuffled(self, purpose: str, key: Key) -> NDArray[np.int64]:
        """All rows in random order; its first m rows are a sample without replacement."""
        return np.lexsort((key.rank, self.draws(purpose, key)))
