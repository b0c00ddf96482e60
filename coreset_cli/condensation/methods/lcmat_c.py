"""LCMat-C: gradient matching whose synthetic pictures also curve the loss as real ones do.

Source: Shin, Bae, Shin, Joo & Moon, "Loss-curvature matching for dataset selection and
condensation", AISTATS 2023, section 4.3; their code for condensation was never released.
Cost: that of `dsa`, and one product of a batch's answers and features a class and step.
Deviates: curvature is that of the last layer, in closed form, so no derivative of third order is
taken; the sum over the entries that vary most stands for the largest difference (`gap=max` is the
paper's bound). A gradient's variance over one synthetic picture is 0, so `gradient-variance` pools
all classes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from coreset_cli.condensation.condenser import Schedule, Step, Task
from coreset_cli.condensation.curvature import Answers, Curvature, Gap, curvature_gap
from coreset_cli.condensation.gradients import both_answers, gradient_loss
from coreset_cli.condensation.matching import matching_schedule, train_on_synthetic
from coreset_cli.condensation.settings import demand_momentum, demand_positive
from coreset_cli.errors import InvalidParameter
from coreset_cli.training.siamese import warped

__all__ = ["LcmatC"]

WEIGHT = "c"
"""Where the weight of `relative` is remembered."""


@dataclass(frozen=True, kw_only=True)
class LcmatC:
    """Match gradients as another method does, and the curvature of the last layer beside them.

    Args:
        base: `dsa`, or `dc`: from noise and without augmentation.
        curvature: the diagonal of the Hessian, or the variance of gradients over rows, which
            compares batches of all classes together.
        gap: difference of two curvatures: summed over the `coordinates` that vary most among real
            rows (`top`), the largest of all (`max`), or a norm of all (`l1`, `l2`).
        coordinates: entries that `top` compares.
        c_mode: the difference counts `c` times (`raw`), or so often that at first it is `c_rel`
            times what the gradients are apart (`relative`).
        c: of `raw`; 0 leaves the method that it is based on.
        c_rel: of `relative`.
        rate: at which pixels move.
        momentum: of the pixels.
        batch: real pictures a class and step.
        steps: of an outer iteration; `none` takes the published number for the images a class.
        epochs: of the network on the synthetic pictures between two steps; `none` as above.
        network_rate: at which the network is trained.
        augmentation: of `base=dsa`, as there.
    """

    base: Literal["dsa", "dc"] = "dsa"
    curvature: Curvature = "hessian"
    gap: Gap = "top"
    coordinates: int = 100
    c_mode: Literal["raw", "relative"] = "raw"
    c: float = 0.01
    c_rel: float = 0.1
    rate: float = 0.1
    momentum: float = 0.5
    batch: int = 256
    steps: int | None = None
    epochs: int | None = None
    network_rate: float = 0.01
    augmentation: str = "auto"

    def __post_init__(self) -> None:
        demand_positive("lcmat-c", rate=self.rate, batch=self.batch, steps=self.steps)
        demand_positive("lcmat-c", epochs=self.epochs, network_rate=self.network_rate)
        demand_positive("lcmat-c", coordinates=self.coordinates)
        demand_momentum("lcmat-c", self.momentum)
        for name, value in (("c", self.c), ("c_rel", self.c_rel)):
            if not (value >= 0 and isfinite(value)):
                raise InvalidParameter(f"lcmat-c: {name} cannot be {value}; it is at least 0")

    def schedule(self, task: Task) -> Schedule:
        """That of the method it is based on."""
        return matching_schedule(
            task,
            rate=self.rate,
            momentum=self.momentum,
            batch=self.batch,
            steps=self.steps,
            network_rate=self.network_rate,
            augmentation=self.augmentation if self.base == "dsa" else None,
        )

    def losses(self, step: Step) -> Iterator[Float[Tensor, ""]]:
        """Distance of the gradients, and of the curvatures."""
        weight = self._weight(step)
        pooled = self.curvature == "gradient-variance"
        for code in step.classes:
            answers = both_answers(step, code, batch=self.batch)
            loss = gradient_loss(step.network, *answers)
            if weight and not pooled:
                loss = loss + (weight * self._gap(*answers)).to(loss)
            yield loss
        if weight and pooled:
            yield (weight * self._pooled_gap(step)).to(step.pixels)

    def train(self, step: Step) -> None:
        """On the synthetic pictures."""
        train_on_synthetic(step, self.epochs)

    def _weight(self, step: Step) -> float:
        """How often the difference of curvatures counts."""
        if self.c_mode == "raw" or self.c_rel == 0:
            return self.c if self.c_mode == "raw" else 0.0
        if WEIGHT not in step.memory:
            gradients, curvatures = self._first_look(step)
            if curvatures == 0:
                return 0.0
            step.memory[WEIGHT] = self.c_rel * gradients / curvatures
        return step.memory[WEIGHT]

    def _first_look(self, step: Step) -> tuple[float, float]:
        """Sums over classes of what gradients and what curvatures are apart."""
        gradients = curvatures = 0.0
        for code in step.classes:
            answers = both_answers(step, code, batch=self.batch)
            gradients += float(gradient_loss(step.network, *answers).detach())
            if self.curvature == "hessian":
                curvatures += float(self._gap(*answers).detach())
        if self.curvature == "gradient-variance":
            curvatures = float(self._pooled_gap(step).detach())
        return gradients, curvatures

    def _pooled_gap(self, step: Step) -> Float[Tensor, ""]:
        """Of the batches of all classes together, as many real rows of one as of another."""
        least = min(self.batch, *(len(step.task.pool.members[code]) for code in step.classes))
        real, synthetic = [], []
        for code in step.classes:
            warp = step.warp(code)
            with torch.no_grad():
                real.append(step.answers(warped(step.real(code, least), warp), code))
            synthetic.append(step.answers(warped(step.synthetic(code), warp), code))
        return self._gap(_together(real), _together(synthetic))

    def _gap(self, real: Answers, synthetic: Answers) -> Float[Tensor, ""]:
        return curvature_gap(
            real,
            synthetic,
            curvature=self.curvature,
            gap=self.gap,
            coordinates=self.coordinates,
        )


def _together(answers: Sequence[Answers]) -> Answers:
    return Answers(
        logits=torch.cat([some.logits for some in answers]),
        features=torch.cat([some.features for some in answers]),
        targets=torch.cat([some.targets for some in answers]),
    )
