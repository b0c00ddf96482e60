"""Cells of real rows: those nearest to one synthetic image each, or clusters.

Source: Vahidian et al., "Group distributionally robust dataset distillation with risk
minimization", 2024, section 3.
"""

from weakref import WeakKeyDictionary

import torch
from jaxtyping import Float, Int64
from torch import Tensor

from coreset_cli.condensation.pool import Pool
from coreset_cli.condensation.rows import numbered
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.kmeans import spherical_kmeans
from coreset_cli.seeds import Rng, derived_seed

__all__ = ["class_clusters", "clusters", "nearest_cells"]

_FOUND: WeakKeyDictionary[Pool, dict[tuple[int, int], Int64[Tensor, " n"]]] = WeakKeyDictionary()
"""Clusters of a pool, by their count and seed: they stay the same through a run."""


def nearest_cells(rows: Float[Tensor, "m e"], centres: Float[Tensor, "s e"]) -> Int64[Tensor, " m"]:
    """Number of the nearest centre of each row, in Euclidean distance, the lower among equals.

    Args:
        rows: features of real pictures.
        centres: features of synthetic pictures.
    """
    # Not by inner products: they round equal distances apart.
    mode = "donot_use_mm_for_euclid_dist"
    return torch.cdist(rows.double(), centres.double(), compute_mode=mode).argmin(1)


def clusters(rows: Float[Tensor, "m d"], count: int, *, seed: int) -> Int64[Tensor, " m"]:
    """Cluster of each row, by its direction.

    Args:
        rows: in an order that a user's file does not decide.
        count: clusters; of fewer rows, each is one.
        seed: of the start.
    """
    points = fixed(numbered(rows).unit())
    found = spherical_kmeans(points, min(count, len(rows)), Rng(seed))
    return found.codes.to(rows.device)


def class_clusters(pool: Pool, count: int, *, seed: int) -> Int64[Tensor, " n"]:
    """Cluster of each row, on the processor: numbers of one class are no other's; computed once.

    Args:
        pool: classes whose pixels, normalised, are clustered apart from each other.
        count: clusters a class, at most.
        seed: of the starts.
    """
    known = _FOUND.setdefault(pool, {})
    if (count, seed) not in known:
        found = torch.full((len(pool.images),), -1)
        for code, rows in enumerate(pool.members):
            pixels = pool.pictures(rows).flatten(1)
            inside = clusters(pixels, count, seed=derived_seed(seed, f"clusters {code}"))
            found[rows] = code * count + inside.cpu()
        known[count, seed] = found
    return known[count, seed]
