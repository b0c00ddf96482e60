"""NumPy arrays as the package sees them, and draws that follow the row: for the scripts here."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from coreset_cli.artifacts.embeddings import Columns, Embeddings
from coreset_cli.artifacts.ids import row_numbers
from coreset_cli.artifacts.labels import make_labels
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select import build_selector
from coreset_cli.io.matrix import Matrix, Shard
from coreset_cli.kernels.centre import geometric_median
from coreset_cli.kernels.fixed import fixed
from coreset_cli.kernels.points import Points
from coreset_cli.seeds import Key, Rng
from coreset_cli.selector import Inputs, choose

Vectors = NDArray[np.floating]

FAR, TIGHT = 10.0, 0.1
"""Distance and radius of an attacking cluster, in median radii of the clean rows."""


def embeddings_of(name: str, vectors: Vectors, labels: NDArray[np.int64] | None) -> Embeddings:
    """An input like one opened from a file; rows are named by their number.

    Args:
        name: stands for the file in messages.
        vectors: [n, d], kept as float32.
        labels: [n] class of each row, where there are classes.
    """
    return Embeddings(
        path=name,
        files=(name,),
        matrix=Matrix([Shard(name, vectors.astype(np.float32))]),
        columns=Columns((), lambda column: pa.chunked_array([], pa.null())),
        ids=row_numbers(len(vectors)),
        labels=None if labels is None else make_labels(pa.array(labels), name),
    )


def inputs_of(data: Embeddings) -> Inputs:
    """What a method may read of an input."""
    points = Points(data.matrix, data.ids.key())
    return Inputs(key=points.key, points=points, classes=data.labels)


def pick(method: str, data: Embeddings, k: int, rng: Rng, **settings: str) -> NDArray[np.int64]:
    """Rows that `coreset select --method … --count k` prints: per class where there are labels."""
    selector = build_selector(make_method(method, settings), None, data)
    return choose(selector, inputs_of(data), k, rng).rows


def median_of(data: Embeddings) -> Vectors:
    """[d] geometric median."""
    return geometric_median(fixed(inputs_of(data).embeddings)).point.numpy()


def key_of(n: int) -> Key:
    """Keys of n rows named by their number."""
    return row_numbers(n).key()


def uniforms(rng: Rng, purpose: str, n: int) -> NDArray[np.float64]:
    """[n] one draw a row from (0, 1)."""
    return ((rng.draws(purpose, key_of(n)) >> np.uint64(12)) + 0.5) / 2.0**52


def normals(rng: Rng, purpose: str, n: int, d: int) -> NDArray[np.float64]:
    """[n, d] standard normal draws, by Box and Muller's transform."""
    columns = []
    for axis in range(d):
        radius = np.sqrt(-2 * np.log(uniforms(rng, f"{purpose} radius {axis}", n)))
        columns.append(radius * np.cos(2 * np.pi * uniforms(rng, f"{purpose} angle {axis}", n)))
    return np.stack(columns, axis=1)


def drawn(rng: Rng, purpose: str, n: int, m: int) -> NDArray[np.bool_]:
    """[n] mask of m rows drawn without replacement."""
    mask = np.zeros(n, bool)
    mask[rng.shuffled(purpose, key_of(n))[:m]] = True
    return mask


def far_cluster(vectors: Vectors, share: float, rng: Rng) -> tuple[Vectors, NDArray[np.bool_]]:
    """Replace ⌊share·n⌋ rows by a tight cluster in a random direction.

    Args:
        vectors: [n, d].
        share: of the rows, in [0, 1).
        rng: draws the rows, the direction and the scatter.

    Returns:
        [n, d] vectors, and [n] which of them were replaced.
    """
    n, d = vectors.shape
    bad = drawn(rng, "replaced", n, int(share * n))
    mean, radius = centre_of(vectors[~bad])
    direction = normals(rng, "direction", 1, d)[0]
    centre = mean + FAR * radius * direction / np.linalg.norm(direction)
    attack = centre + normals(rng, "attack", n, d) * TIGHT * radius / np.sqrt(d)
    return np.where(bad[:, None], attack, vectors), bad


def centre_of(vectors: Vectors) -> tuple[Vectors, float]:
    """[d] mean of the rows, and their median distance to it."""
    mean = vectors.mean(0)
    return mean, float(np.median(np.linalg.norm(vectors - mean, axis=1)))
