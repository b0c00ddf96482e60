"""A request as kinds, shares and parameters, each checked before any file is opened."""

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from coreset_cli.commands.corrupting.doses import Dose, parse_doses
from coreset_cli.commands.corrupting.parameters import routed
from coreset_cli.commands.corrupting.request import Request
from coreset_cli.corruption import labels, vectors
from coreset_cli.corruption.images import KINDS, MIXED, ImageOptions
from coreset_cli.corruption.labels import LabelOptions
from coreset_cli.corruption.vectors import VectorOptions
from coreset_cli.errors import InvalidParameter, MissingInput
from coreset_cli.settings import converted

if TYPE_CHECKING:
    from coreset_cli.corruption.attacks import Attack

__all__ = ["ATTACKS", "Orders", "read_orders"]

ATTACKS = ("pgd", "fgsm")
"""Kinds of `--images` that need a network; not read from `attacks.py`, which loads torch."""

IMAGES, ATTACK, LABELS, VECTORS = "--images", "pgd and fgsm", "--labels", "--vectors"


@dataclass(frozen=True, kw_only=True)
class Orders:
    """What is to be done.

    Args:
        images: kinds and shares for images, attacks among them.
        labels: for labels.
        vectors: for vectors.
        pixels: parameters of damage to images, where there is any.
        attack: of attacks, where there are any.
        noise: of label noise, where there is any.
        geometry: of damage to vectors, where there is any.
    """

    images: tuple[Dose, ...]
    labels: tuple[Dose, ...]
    vectors: tuple[Dose, ...]
    pixels: ImageOptions | None
    attack: "Attack | None"
    noise: LabelOptions | None
    geometry: VectorOptions | None

    def record(self) -> dict[str, object]:
        """Kinds, shares and parameters, for the manifest."""
        shares = {
            part: {dose.kind: float(dose.share) for dose in doses}
            for part, doses in (
                ("images", self.images),
                ("labels", self.labels),
                ("vectors", self.vectors),
            )
        }
        settings = {
            part: None if options is None else asdict(options)
            for part, options in (
                ("images", self.pixels),
                ("attacks", self.attack),
                ("labels", self.noise),
                ("vectors", self.geometry),
            )
        }
        return {**shares, "settings": {part: found for part, found in settings.items() if found}}


def read_orders(request: Request) -> Orders:
    """Read kinds, shares and parameters.

    Raises:
        InvalidParameter: a kind, a share or a parameter that cannot be, or nothing to do.
        MissingInput: an attack without a network to attack.
    """
    images = parse_doses(request.images, (*KINDS, MIXED, *ATTACKS), IMAGES)
    noise = parse_doses(request.labels, labels.KINDS, LABELS)
    geometry = parse_doses(request.vectors, vectors.KINDS, VECTORS)
    if not (images or noise or geometry):
        raise InvalidParameter(
            "nothing to damage; say what with --images, --labels or --vectors KIND=FRACTION"
        )
    if images and geometry:
        raise InvalidParameter("an output holds images or vectors; give --images or --vectors")
    if len(noise) > 1:
        raise InvalidParameter(
            f"--labels takes one kind a run, not {' and '.join(dose.kind for dose in noise)}; "
            "corrupt the output again for the second"
        )
    attacks = [dose.kind for dose in images if dose.kind in ATTACKS]
    if attacks and request.checkpoint is None:
        raise MissingInput(
            f"--images {attacks[0]} attacks a network; name it with --checkpoint (train one with: "
            "coreset evaluate --save-model)"
        )
    if request.checkpoint is not None and not attacks:
        raise InvalidParameter("--checkpoint is for --images pgd or fgsm; leave it out")
    given = {
        IMAGES: len(images) > len(attacks),
        ATTACK: bool(attacks),
        LABELS: bool(noise),
        VECTORS: bool(geometry),
    }
    kinds: dict[str, type[Any]] = {
        IMAGES: ImageOptions,
        LABELS: LabelOptions,
        VECTORS: VectorOptions,
    }
    if attacks:
        from coreset_cli.corruption.attacks import Attack

        kinds[ATTACK] = Attack
    settings = routed(request.settings, kinds, [part for part, is_on in given.items() if is_on])

    def made(part: str, **fixed: object) -> Any:  # noqa: ANN401 (one of four dataclasses)
        if not given[part]:
            return None
        return kinds[part](**converted(kinds[part], settings[part], part), **fixed)

    return Orders(
        images=images,
        labels=noise,
        vectors=geometry,
        pixels=made(IMAGES, profile=request.profile),
        attack=made(ATTACK, profile=request.profile),
        noise=made(LABELS),
        geometry=made(VECTORS),
    )
