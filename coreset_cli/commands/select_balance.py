"""How classes, or groups inside them, share a budget, as a user says it."""

from dataclasses import dataclass, replace
from typing import Literal, cast, get_args

from coreset_cli.artifacts.samples import Samples, require_labels
from coreset_cli.commands.select_pseudo import clustering_of
from coreset_cli.commands.select_score import selector_of
from coreset_cli.compose.judged import Judged
from coreset_cli.compose.per_class import PerClass
from coreset_cli.compose.per_group import PerGroup
from coreset_cli.errors import InvalidParameter
from coreset_cli.kernels.risk import Risk
from coreset_cli.selector import Field, Score, Selector
from coreset_cli.settings import filled, parse_spec

__all__ = ["Cvar", "build_selector", "needs_of", "parse_balance", "stratified"]

ByClass = Literal["none", "proportional", "equal"]

CVAR = "cvar"


@dataclass(frozen=True, kw_only=True)
class Cvar:
    """Groups share by their risk; `cvar` with settings.

    Args:
        groups: clusters of each class, or of all rows without labels.
        level: share of the rows, in (0, 1], that is the tail across groups.
        mix: how far the tail counts, in [0, 1]; 0 is proportional.
        trim: share of the rows, in [0, 1), whose losses are the largest and count nothing.
    """

    groups: int = 4
    level: float = 0.2
    mix: float = 0.5
    trim: float = 0.0

    def __post_init__(self) -> None:
        if self.groups < 1:
            raise InvalidParameter(f"cvar: groups is {self.groups}; it must be 1 or more")
        _ = self.risk  # its values are checked

    @property
    def risk(self) -> Risk:
        """What each row weighs."""
        return Risk(level=self.level, mix=self.mix, trim=self.trim)


def parse_balance(text: str) -> ByClass | Cvar:
    """A balance from `equal` or `cvar:groups=8,level=0.1`.

    Raises:
        InvalidParameter: another word, or settings that it does not take.
    """
    name, settings = parse_spec(text, "--balance")
    if name == CVAR:
        return filled(Cvar, settings, CVAR)
    known = get_args(ByClass)
    if name not in known:
        listed = f"{', '.join(map(repr, known))} or cvar[:groups=4,level=0.2,…]"
        raise InvalidParameter(f"--balance cannot be '{name}'; it takes {listed}")
    if settings:
        raise InvalidParameter(f"--balance {name} takes no settings; cvar does")
    return cast("ByClass", name)


def stratified(balance: str) -> str:
    """The balance of the random selection that a result stands beside: one that reads no risk."""
    return "proportional" if isinstance(parse_balance(balance), Cvar) else balance


def needs_of(balance: str | None) -> frozenset[Field]:
    """What sharing a budget reads, beside what a method does; labels aside."""
    chosen = None if balance is None else parse_balance(balance)
    if not isinstance(chosen, Cvar):
        return frozenset()
    return PerGroup.reads(chosen.risk)


def build_selector(
    method: Selector | Score, balance: str | None, data: Samples, min_per_class: int = 0
) -> Selector:
    """Wrap a method for the classes of an input.

    Raises:
        InvalidParameter: a balance without labels, or a method that ranks all classes itself.
    """
    selector = selector_of(method)
    chosen = None if balance is None else parse_balance(balance)
    if chosen is None:
        whole = getattr(method, "scope", "pool") == "global" or clustering_of(method) is not None
        chosen = "none" if data.labels is None or whole else "proportional"
    if min_per_class and (chosen == "none" or isinstance(chosen, Cvar)):
        raise InvalidParameter("--min-per-class needs --balance proportional or equal")
    if chosen == "none":
        return selector
    if not isinstance(chosen, Cvar):
        require_labels(data)
    if getattr(method, "scope", "pool") == "global":
        raise InvalidParameter("scope=global ranks all classes together; use --balance none")
    if isinstance(selector, Judged):
        return replace(selector, method=_inside(selector.method, chosen, min_per_class))
    return _inside(selector, chosen, min_per_class)


def _inside(
    selector: Selector, chosen: Literal["proportional", "equal"] | Cvar, least: int
) -> PerClass | PerGroup:
    if isinstance(chosen, Cvar):
        return PerGroup(method=selector, groups=chosen.groups, risk=chosen.risk)
    return PerClass(method=selector, balance=chosen, least=least)
