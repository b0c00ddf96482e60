"""Label noise of a run."""

import numpy as np

from coreset_cli.artifacts.corruption import Mark
from coreset_cli.artifacts.samples import Samples, require_labels
from coreset_cli.commands.corrupting.beside import Noise
from coreset_cli.commands.corrupting.doses import Dose
from coreset_cli.corruption.labels import LabelOptions, corrupt_labels
from coreset_cli.seeds import Key

__all__ = ["noisy_labels"]


def noisy_labels(
    samples: Samples, key: Key, dose: Dose, *, seed: int, options: LabelOptions
) -> Noise:
    """Labels after noise, and the rows that it changed.

    Args:
        samples: the input.
        key: of its ids.
        dose: kind and share.
        seed: of the run.
        options: parameters of the kind.

    Raises:
        InvalidParameter: no labels, or none that the kind of noise fits.
    """
    codes, changed = corrupt_labels(
        require_labels(samples), dose.kind, share=dose.share, key=key, seed=seed, options=options
    )
    return Noise(codes, (Mark(dose.kind, np.flatnonzero(changed)),))
