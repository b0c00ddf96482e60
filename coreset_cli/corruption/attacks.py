"""Images changed by little, so that a trained network is wrong about them.

Both attacks move pixels, in [0, 1], by ε at most along the sign of the gradient of the loss: FGSM
once, PGD in steps of α, cut back to the ball of ε and to [0, 1] after each. The network is in eval
mode and computes in float32; where it normalises, it does so after the attack.

What is guaranteed: the random start follows the image's word alone. Images are attacked in batches
of a fixed size, the last one filled up, because the last bits of a gradient depend on the size of
its batch: so on a processor, with the same threads and versions, an image comes out the same in any
order and any company. Another device, thread count or batch may change the sign of a gradient that
is nearly 0, and with it a few pixels.

Source: Goodfellow, Shlens & Szegedy, "Explaining and harnessing adversarial examples", ICLR 2015
(FGSM); Madry et al., "Towards deep learning models resistant to adversarial attacks", ICLR 2018
(PGD); values of the parameters as in Xia et al., "Moderate coreset", ICLR 2023.
Deviates: FGSM runs in eval mode too; the code behind the published rows left the network training.
"""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float32, Int64
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from coreset_cli.corruption.draws import generator, uniforms
from coreset_cli.errors import InvalidParameter, MissingInput, NotFinite, SchemaMismatch
from coreset_cli.training.checkpoint import Card
from coreset_cli.training.networks import Network

__all__ = ["KINDS", "Attack", "attack_images", "fgsm", "pgd", "start_of"]

KINDS = ("pgd", "fgsm")


@dataclass(frozen=True, kw_only=True)
class Attack:
    """Parameters of attacks; those of steps are for PGD alone.

    Args:
        epsilon: most that a pixel changes, as a fraction of white, in [0, 1].
        alpha: most that it changes in a step.
        steps: of PGD; published rows were made with 40, or with 10.
        start: of PGD: a `random` point of the ball, or the image itself (`none`).
        label: whose loss is raised: the `true` class or the `predicted` one; `auto` is true for
            PGD and predicted for FGSM.
        batch: images attacked together.
        profile: `standard` rounds to bytes; `mds-release` truncates.

    Raises:
        InvalidParameter: a value out of range.
    """

    epsilon: Fraction = Fraction(8, 255)
    alpha: Fraction = Fraction(2, 255)
    steps: int = 10
    start: Literal["random", "none"] = "random"
    label: Literal["auto", "true", "predicted"] = "auto"
    batch: int = 64
    profile: Literal["standard", "mds-release"] = "standard"

    def __post_init__(self) -> None:
        for name, value in (("epsilon", self.epsilon), ("alpha", self.alpha)):
            if not 0 <= value <= 1:
                raise InvalidParameter(f"{name} {value} is outside [0, 1], fractions of white")
        for name, count in (("steps", self.steps), ("batch", self.batch)):
            if count < 1:
                raise InvalidParameter(f"{name} is {count}; it must be at least 1")

    def needs_classes(self, kind: str) -> bool:
        """Whether the true classes decide this kind of attack."""
        return self.label == "true" or (self.label == "auto" and kind == "pgd")


Logits = Callable[[Float32[Tensor, "n c h w"]], Float32[Tensor, "n k"]]
"""Of pixels in [0, 1], normalisation included."""


def attack_images(
    network: Network,
    card: Card,
    values: NDArray[np.uint8],
    codes: NDArray[np.int64] | None,
    kind: str,
    settings: Attack,
    words: NDArray[np.uint64],
    *,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> NDArray[np.uint8]:
    """Attack images of one size.

    Args:
        network: on the device that computes; it comes back in the mode it was in.
        card: of the network.
        values: [n, h, w, c].
        codes: [n] true classes, as places in the card's list; not needed for predicted ones.
        kind: one of `KINDS`.
        settings: of the attack.
        words: [n] of each row, from `Rng.draws`; they decide the random starts.
        progress: called with images done and images in all.

    Raises:
        InvalidParameter: no such kind.
        MissingInput: the true classes are needed and not given.
        SchemaMismatch: other channels than the network takes, or classes that it does not know.
        NotFinite: a gradient is NaN.
    """
    if kind not in KINDS:
        raise InvalidParameter(f"unknown attack '{kind}'; there are {', '.join(KINDS)}")
    if values.shape[3] != card.channels:
        raise SchemaMismatch(
            f"the network of the checkpoint takes images of {card.channels} channels, not "
            f"{values.shape[3]}; convert the images, or train a network on such"
        )
    if settings.needs_classes(kind):
        _demand_classes(codes, len(card.classes))
    else:
        codes = None
    n, size, device = len(values), settings.batch, network.head.weight.device
    mean, std = (torch.tensor(x, device=device)[:, None, None] for x in (card.mean, card.std))
    after = np.empty_like(values)
    training = network.training
    network.eval()
    try:
        for first in range(0, n, size):
            rows = np.arange(first, min(first + size, n))
            filled = np.resize(rows, size)
            attacked = _attacked(
                lambda pixels: network((pixels - mean) / std),
                _planes(np.divide(values[filled], 255, dtype=np.float32)).to(device),
                None if codes is None else torch.from_numpy(codes[filled]).to(device),
                kind=kind,
                settings=settings,
                words=words[filled],
            )
            after[rows] = _bytes(attacked[: len(rows)], settings)
            progress(first + len(rows), n)
    finally:
        network.train(training)
    return after


def fgsm(
    logits: Logits,
    pixels: Float32[Tensor, "n c h w"],
    targets: Int64[Tensor, " n"],
    *,
    epsilon: float,
) -> Float32[Tensor, "n c h w"]:
    """One step of ε along the sign of the gradient.

    Args:
        logits: of pixels.
        pixels: in [0, 1].
        targets: classes whose loss is raised.
        epsilon: most that a pixel changes.

    Raises:
        NotFinite: a gradient is NaN.
    """
    return (pixels + epsilon * _direction(logits, pixels, targets)).clamp(0, 1)


def pgd(
    logits: Logits,
    pixels: Float32[Tensor, "n c h w"],
    targets: Int64[Tensor, " n"],
    *,
    settings: Attack,
    start: Float32[Tensor, "n c h w"],
) -> Float32[Tensor, "n c h w"]:
    """Steps of α along the sign of the gradient, never farther than ε from the image.

    Args:
        logits: of pixels.
        pixels: in [0, 1].
        targets: classes whose loss is raised.
        settings: ε, α and the number of steps.
        start: where in the ball of radius 1 to begin; zeros for the image itself.

    Raises:
        NotFinite: a gradient is NaN.
    """
    epsilon, alpha = float(settings.epsilon), float(settings.alpha)
    attacked = (pixels + epsilon * start).clamp(0, 1)
    for _ in range(settings.steps):
        moved = attacked + alpha * _direction(logits, attacked, targets)
        attacked = (pixels + (moved - pixels).clamp(-epsilon, epsilon)).clamp(0, 1)
    return attacked


def start_of(word: int, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """A uniform point of the ball of radius 1.

    Args:
        word: of the row.
        shape: h, w, c.
    """
    draws = uniforms(generator(word), int(np.prod(shape)))
    return (2 * draws - 1).astype(np.float32).reshape(shape)


def _attacked(
    logits: Logits,
    pixels: Float32[Tensor, "n c h w"],
    targets: Int64[Tensor, " n"] | None,
    *,
    kind: str,
    settings: Attack,
    words: NDArray[np.uint64],
) -> Float32[Tensor, "n c h w"]:
    """Images of a batch, attacked; without targets, the classes predicted are."""
    if targets is None:
        with torch.no_grad():
            targets = logits(pixels).argmax(1)
    if kind == "fgsm":
        return fgsm(logits, pixels, targets, epsilon=float(settings.epsilon))
    start = torch.zeros_like(pixels)
    if settings.start == "random":
        _, c, h, w = pixels.shape
        start = _planes(np.stack([start_of(int(word), (h, w, c)) for word in words]))
    return pgd(logits, pixels, targets, settings=settings, start=start.to(pixels.device))


def _bytes(pixels: Float32[Tensor, "n c h w"], settings: Attack) -> NDArray[np.uint8]:
    """[n, h, w, c] from 0 to 255."""
    levels = 255 * pixels
    levels = levels.round() if settings.profile == "standard" else levels.floor()
    return levels.to(torch.uint8).permute(0, 2, 3, 1).cpu().numpy()


def _direction(
    logits: Logits, pixels: Float32[Tensor, "n c h w"], targets: Int64[Tensor, " n"]
) -> Float32[Tensor, "n c h w"]:
    """Sign of the gradient of the loss; summed, so that no image feels how many there are."""
    variable = pixels.detach().requires_grad_()
    with torch.enable_grad():
        loss = functional.cross_entropy(logits(variable), targets, reduction="sum")
        (gradient,) = torch.autograd.grad(loss, variable)
    if not gradient.isfinite().all():
        raise NotFinite("the gradient of the network is not finite; check its checkpoint")
    return gradient.sign()


def _planes(values: NDArray[np.float32]) -> Float32[Tensor, "n c h w"]:
    return torch.from_numpy(np.ascontiguousarray(values.transpose(0, 3, 1, 2)))


def _demand_classes(codes: NDArray[np.int64] | None, classes: int) -> None:
    if codes is None:
        raise MissingInput(
            "this attack raises the loss of the true class, and there are no labels; name them "
            "with --label, or use label=predicted"
        )
    if foreign := np.flatnonzero((codes < 0) | (codes >= classes)).tolist():
        raise SchemaMismatch(
            f"the label of row {foreign[0]} of those attacked is none of the {classes} classes of "
            "the checkpoint; name the labels it was trained on, or use label=predicted"
        )
