"""Hyperparameters of training: frozen, named, saved with the result.

Sources of the network recipes: `gm-cifar` and `gm-tiny` are the training of the GM-Matching paper
as its code base (Xia et al., "Moderate coreset", ICLR 2023) has it; `echo` is that of ECHO on
DeepCore's code, with its loss of pairs (λ = ½, margin 1) and its support rows; `quick` is ours, for
a processor without an accelerator. `dc` and `dsa` judge synthetic sets as Zhao, Mopuri & Bilen
(ICLR 2021) and Zhao & Bilen (ICML 2021) do: told to run E epochs, their code runs E + 1, divides
the rate after epoch ⌊E/2⌋ + 1, counted from 0, and makes the optimiser anew there.

The rate of `quick` was measured: first rows of CIFAR-10, 16 epochs, batch 128, one seed, accuracy
in percent on the first 1,500 test rows (one standard error is 1.3 points).

    network             rows   0.01   0.03   0.05    0.1    0.3
    convnet:width=32   4,000   57.1   62.1      –   62.0   63.5
    resnet18:width=16  2,000      –   52.1      –   53.7   52.1
    vgg16:width=16     2,000      –   58.2   54.8   52.1      –
    lenet              2,000   27.3   39.3   42.2   43.7    9.1

So 0.1: networks without normalisation break at 0.3; VGG-16 would rather have 0.03. LeNet is at its
edge: on 5,000 rows with 41 % wrong labels some seeds broke at 0.1; give it 0.03 there.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import isfinite
from typing import Literal

from coreset_cli.errors import InvalidParameter, did_you_mean
from coreset_cli.settings import converted, parse_spec
from coreset_cli.training.siamese import parse_strategy

__all__ = ["NETWORK_RECIPES", "LinearRecipe", "NetworkRecipe", "find_recipe", "network_recipe"]


@dataclass(frozen=True, kw_only=True)
class LinearRecipe:
    """How the linear model is trained.

    Args:
        name: on the command line.
        costs: values of C to try, ascending, until the held-out loss no longer falls.
        folds: of the cross-validation that chooses.
        few: with fewer rows than this, C is not chosen.
        cost_of_few: C for so few rows.
        floor: probability of a class that a fold's training part lacks, before renormalising.
    """

    name: str = "linear"
    costs: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
    folds: int = 4
    few: int = 4
    cost_of_few: float = 1e-2
    floor: float = 1e-6


RECIPES: dict[str, Callable[[], LinearRecipe]] = {"linear": LinearRecipe}


def find_recipe(name: str) -> LinearRecipe:
    """The recipe of this name.

    Raises:
        InvalidParameter: there is none.
    """
    if name not in RECIPES:
        hint = did_you_mean(name, RECIPES) or f"; there is {', '.join(RECIPES)}"
        raise InvalidParameter(f"unknown recipe '{name}'{hint}")
    return RECIPES[name]()


@dataclass(frozen=True, kw_only=True)
class NetworkRecipe:
    """How a network is trained, by stochastic gradient descent with momentum.

    Weight decay acts on all parameters, biases and normalisation included, as in the references.

    Args:
        name: on the command line.
        epochs: passes over the rows.
        batch: rows a step; all of them where there are fewer. None is left out: a last batch of
            one row joins the one before.
        learning_rate: the highest.
        momentum: of the descent.
        nesterov: Nesterov's momentum.
        weight_decay: times the parameters, added to their gradient.
        schedule: `steps`: divided at milestones, by epoch; `cosine`: half a cosine down, by step;
            `one-cycle`: a line up and a line down, by step.
        milestones: epochs at which `steps` divides, in a run of `milestones_of` epochs; of another
            length, in proportion.
        milestones_of: see there.
        divisor: by which `steps` divides.
        warm_up: share of the steps in which `one-cycle` rises, from a tenth of the highest rate.
        restart: momentum begins anew where `steps` divides.
        last_rate: to which `cosine` and `one-cycle` fall.
        clip: largest norm of the gradient of a step; `none` leaves it as it is.
        label_smoothing: share of the target spread over all classes.
        crop: `zero` and `reflect`: a random place in the picture padded by `padding`; `resized`: a
            random part (8 to 100 % of the area, sides 3:4 to 4:3) at `part` / 64 of the size and
            then at the full one, and tests see the middle 64/73 of the picture; defined for 64
            pixels, other sizes in proportion.
        padding: pixels on each side.
        part: size of the part before the last scaling, of 64.
        flip: mirror half of the pictures, left to right; `auto` mirrors colour and not grey ones.
            Digits must not be mirrored: for those in colour (SVHN) say `never`. With `siamese` it
            says whether its family `flip` may be drawn; nothing else mirrors then.
        cutout: side of a square, at a random place, set to the mean colour; 0 for none.
        siamese: families of which a batch undergoes one, each picture with parameters of its own:
            some of color, crop, cutout, flip, scale and rotate, joined by `_`.
        augment: `all` pictures, or those in colour only.
        augment_from: least side, in pixels, of pictures that are augmented.
        precision: of the network's arithmetic; `auto` is bfloat16 where the device computes in it.
            Parameters, the last layer and the loss are float32 always.
        compile: compile the network first. On CUDA only; unverified.
        evaluate_every: epochs between two looks at the test rows; the last is always looked at.
        structure: times the loss of pairs inside a batch, added to the cross-entropy.
        contrast_margin: of that loss, the distance of logits at which two classes are far enough.
        interpolate: `mixup` makes each support row a random mix of itself and a random core row
            of its class: our reading of the operator that ECHO's paper leaves undefined.
        support_a_epoch: support rows drawn anew each epoch: `auto` as many as there are core
            rows, or a number, at most those there are; `all` are trained on like any row.
    """

    name: str
    epochs: int
    batch: int
    learning_rate: float = 0.1
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 5e-4
    schedule: Literal["steps", "cosine", "one-cycle"] = "steps"
    milestones: tuple[int, ...] = ()
    milestones_of: int = 1
    divisor: float = 5.0
    restart: bool = False
    warm_up: float = 0.25
    last_rate: float = 0.0
    clip: float | None = None
    label_smoothing: float = 0.0
    crop: Literal["none", "zero", "reflect", "resized"] = "none"
    padding: int = 4
    part: int = 55
    flip: Literal["auto", "always", "never"] = "auto"
    cutout: int = 0
    siamese: str = "none"
    augment: Literal["all", "colour"] = "all"
    augment_from: int = 1
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    compile: bool = False
    evaluate_every: int = 1
    structure: float = 0.0
    contrast_margin: float = 1.0
    interpolate: Literal["none", "mixup"] = "none"
    support_a_epoch: int | Literal["auto", "all"] = "all"

    def __post_init__(self) -> None:
        for field in ("epochs", "batch", "milestones_of", "part", "evaluate_every", "augment_from"):
            self._demand(field, getattr(self, field) >= 1, "at least 1")
        for field in ("learning_rate", "divisor"):
            value = getattr(self, field)
            self._demand(field, value > 0 and isfinite(value), "above 0")
        for field in (
            "weight_decay",
            "last_rate",
            "padding",
            "cutout",
            "structure",
            "contrast_margin",
        ):
            value = getattr(self, field)
            self._demand(field, value >= 0 and isfinite(value), "at least 0")
        for field in ("momentum", "warm_up", "label_smoothing"):
            self._demand(field, 0 <= getattr(self, field) < 1, "in [0, 1)")
        self._demand("part", self.part <= 64, "at most 64")
        self._demand("clip", self.clip is None or self.clip > 0, "above 0, or none")
        support = self.support_a_epoch
        self._demand("support_a_epoch", isinstance(support, str) or support >= 1, "at least 1")
        if self.nesterov and self.momentum == 0:
            raise InvalidParameter(f"{self.name}: nesterov needs a momentum above 0")
        if self.restart and self.schedule != "steps":
            raise InvalidParameter(f"{self.name}: restart goes with schedule=steps")
        parse_strategy(self.siamese)

    @property
    def tells_roles(self) -> bool:
        """Whether support rows are trained on in another way than core rows."""
        return self.support_a_epoch != "all" or self.interpolate != "none"

    def _demand(self, field: str, holds: bool, range_: str) -> None:
        if not holds:
            raise InvalidParameter(
                f"{self.name}: {field} cannot be {getattr(self, field)}; it is {range_}"
            )


DC = NetworkRecipe(
    name="dc",
    epochs=301,
    batch=256,
    learning_rate=0.01,
    milestones=(152,),
    milestones_of=301,
    divisor=10.0,
    restart=True,
    flip="never",
    precision="float32",
    evaluate_every=301,
)

NETWORK_RECIPES: dict[str, NetworkRecipe] = {
    recipe.name: recipe
    for recipe in (
        NetworkRecipe(
            name="gm-cifar",
            epochs=200,
            batch=128,
            milestones=(60, 120, 160),
            milestones_of=200,
            divisor=5.0,
            crop="zero",
        ),
        NetworkRecipe(
            name="gm-tiny",
            epochs=90,
            batch=256,
            weight_decay=1e-4,
            milestones=(30, 60),
            milestones_of=90,
            divisor=10.0,
            clip=1.0,
            crop="resized",
        ),
        NetworkRecipe(
            name="echo",
            epochs=200,
            batch=256,
            nesterov=True,
            schedule="cosine",
            last_rate=1e-4,
            crop="reflect",
            augment="colour",
            structure=0.5,
            support_a_epoch="auto",
        ),
        NetworkRecipe(
            name="quick",
            epochs=16,
            batch=128,
            learning_rate=0.1,
            nesterov=True,
            schedule="one-cycle",
            crop="reflect",
            augment="colour",
            augment_from=32,
        ),
        DC,
        replace(
            DC,
            name="dsa",
            epochs=1001,
            milestones=(502,),
            milestones_of=1001,
            flip="auto",
            siamese="color_crop_cutout_flip_scale_rotate",
            evaluate_every=1001,
        ),
    )
}


def network_recipe(text: str) -> NetworkRecipe:
    """The recipe a text names: `quick`, or `gm-cifar:epochs=30,batch=256`.

    Raises:
        InvalidParameter: no such recipe or field, or a value that it cannot take.
    """
    name, settings = parse_spec(text, "--recipe")
    if name not in NETWORK_RECIPES:
        hint = did_you_mean(name, NETWORK_RECIPES) or f"; there are {', '.join(NETWORK_RECIPES)}"
        raise InvalidParameter(f"unknown recipe '{name}' of a network{hint}")
    if "name" in settings:
        raise InvalidParameter(f"{name} has no parameter 'name'")
    changes = converted(NetworkRecipe, settings, name)
    return replace(NETWORK_RECIPES[name], **changes)
