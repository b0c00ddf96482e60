"""What is compared: data sets, corruptions, methods with their settings, budgets."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Literal

from coreset_cli.commands.register import make_method, method_names

__all__ = [
    "BUDGETS",
    "CLAIMED",
    "CORRUPTIONS",
    "DRAWS",
    "MAIN",
    "OURS",
    "REFERENCE",
    "SETS",
    "UNSEEN",
    "Cell",
    "Contender",
    "Corruption",
    "budgets_of",
    "contenders",
    "draws_of",
    "references",
]

BUDGETS = ("0.1", "0.05", "0.01", "0.2", "0.3")
"""In the order they are run where each needs a selection of its own: the headline first."""

LARGEST = "0.3"
"""One selection of so many rows serves all budgets, where prefixes are the smaller selections."""

CLAIMED = ("0.1", "0.05", "0.3")
"""Budgets at which our method stands beside its ceiling."""

REFERENCE = "0.1"
"""The budget of the headline table."""

SETS = ("cifar", "banking")
"""Where all methods are compared."""

UNSEEN = ("digits", "resnet56")
"""Sets that were not looked at while our method was made: it stands beside its ceiling alone."""

DRAWS = 5
"""Selections of the random baseline that every method stands beside."""


@dataclass(frozen=True, kw_only=True)
class Corruption:
    """What is wrong with the training rows.

    Args:
        title: for people.
        labels: label noise, as `coreset corrupt --labels` takes it.
        vectors: damage to vectors, as `--vectors` takes it.
        human: column of the labels people gave, where a set has any.
        main: every method is compared; else robust-herding alone, with what it is built on.
    """

    title: str
    labels: str | None = None
    vectors: str | None = None
    human: str | None = None
    main: bool = True

    @property
    def drawn(self) -> bool:
        """Whether every seed is corrupted otherwise."""
        return self.labels is not None or self.vectors is not None


CORRUPTIONS: Mapping[str, Corruption] = {
    "clean": Corruption(title="clean"),
    "human": Corruption(title="human noise, 41 %", human="worse_label"),
    "symmetric-20": Corruption(title="symmetric, 20 %", labels="symmetric=0.2"),
    "symmetric-40": Corruption(title="symmetric, 40 %", labels="symmetric=0.4"),
    "gross-20": Corruption(title="far cluster, 20 %", vectors="cluster=0.2"),
    "human-9": Corruption(title="human noise, 9 %", human="aggre_label", main=False),
    "human-17": Corruption(title="human noise, 17 %", human="random_label1", main=False),
    "gross-45": Corruption(title="far cluster, 45 %", vectors="cluster=0.45", main=False),
    "scatter-20": Corruption(title="scatter, 20 %", vectors="scatter=0.2", main=False),
    "scatter-45": Corruption(title="scatter, 45 %", vectors="scatter=0.45", main=False),
}


MAIN = tuple(name for name, one in CORRUPTIONS.items() if one.main)


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """Training rows of one set with one corruption, drawn with one seed.

    Args:
        data: name of the set.
        corruption: its name.
        seed: of the draw.
    """

    data: str
    corruption: str
    seed: int

    @property
    def stem(self) -> str:
        """Name of its file; a corruption that is not drawn has one for all seeds."""
        drawn = CORRUPTIONS[self.corruption].drawn
        return f"{self.data}-{self.corruption}" + (f"-{self.seed}" if drawn else "")


def is_main(data: str, corruption: str) -> bool:
    """Whether all methods are compared there."""
    return data in SETS and CORRUPTIONS[corruption].main


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A line of the tables.

    Args:
        method: its name; `full` for all rows.
        settings: other than the defaults.
        kind: a method, the random baseline, all rows, or a method that is shown truly clean rows.
        draw: of the random baseline.
    """

    method: str
    settings: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["method", "random", "full", "clean-only"] = "method"
    draw: int = 0

    @property
    def title(self) -> str:
        """For people."""
        set_to = " ".join(f"{name}={value}" for name, value in self.settings.items())
        name = f"{self.method} {set_to}".strip()
        return f"{name}, clean rows only" if self.kind == "clean-only" else name

    @property
    def key(self) -> str:
        """Name of its results: a method with other defaults has other results."""
        if self.kind == "full":
            return "full"
        resolved = sorted(vars(make_method(self.method, self.settings)).items())
        name = f"{self.method}-{sha256(repr(resolved).encode()).hexdigest()[:8]}"
        return {"random": f"{name}-{self.draw}", "clean-only": f"clean-{name}"}.get(self.kind, name)


VARIANTS = (
    Contender(method="gm", settings={"match": "cosine"}),
    Contender(method="gm", settings={"match": "dot"}),
    Contender(method="aum", settings={"keep": "high"}),
    Contender(method="el2n", settings={"keep": "low"}),
    Contender(method="forgetting", settings={"keep": "low"}),
)
"""Settings of interest beside the defaults."""

LEFT_OUT = {"random", "topk"}
"""The baseline itself, and what needs a column of the user's."""

OURS = "robust-herding"

BUILT_ON = ("herding", "gm")


def contenders(data: str, corruption: str) -> list[Contender]:
    """Every method of the register with its defaults, and the variants; few beside the main."""
    if not is_main(data, corruption):
        return [Contender(method=name) for name in (OURS, *BUILT_ON)]
    names = [name for name in method_names() if name not in LEFT_OUT]
    return [*(Contender(method=name) for name in names), *VARIANTS]


def draws_of(data: str, corruption: str) -> int:
    """Selections of the random baseline."""
    return DRAWS if is_main(data, corruption) else 1


def budgets_of(data: str, corruption: str) -> tuple[str, ...]:
    """Shares of the rows that are kept, in the order they are run."""
    return BUDGETS if is_main(data, corruption) else CLAIMED


def references(cell: Cell) -> Iterator[Contender]:
    """What the methods of a cell stand beside."""
    for draw in range(draws_of(cell.data, cell.corruption)):
        yield Contender(method="random", kind="random", draw=draw)
    if is_main(cell.data, cell.corruption):
        yield Contender(method="full", kind="full")
    if cell.corruption != "clean":
        for name in BUILT_ON:
            yield Contender(method=name, kind="clean-only")
