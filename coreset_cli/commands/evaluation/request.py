"""What a user asked `evaluate` for, checked before anything is read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path

from coreset_cli.artifacts.columns import label_files
from coreset_cli.commands.budget import Budget, parse_budget
from coreset_cli.commands.evaluation.gates import WORST_GROUP, Demand
from coreset_cli.commands.register import canonical_name, make_method, method_class
from coreset_cli.commands.select_balance import needs_of
from coreset_cli.commands.select_score import selector_of
from coreset_cli.commands.select_signals import FIELDS, reads_file
from coreset_cli.errors import InvalidParameter, did_you_mean
from coreset_cli.training.nets import network_names
from coreset_cli.training.networks import NetworkSpec, network_spec
from coreset_cli.training.recipe import LinearRecipe, NetworkRecipe, find_recipe, network_recipe

__all__ = [
    "Request",
    "budgets_of",
    "canonical_names",
    "parse_baselines",
    "settings_of",
]

BASELINES = ("random", "full")
LINEAR, QUICK = "linear", "quick"
PROXY_DATA = ("clean", "corrupted", "not stated")


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a user asked `evaluate` for.

    Args:
        train: what selections are of.
        test: what models are judged by.
        selections: files of index lists.
        label: column or file of training labels.
        test_label: column or file of test labels; by default the column `label` names.
        ids: column of ids of the training file.
        column: column of vectors of both.
        model: `linear`, on vectors, or a network, on images.
        recipe: how it is trained; by default `linear`, and `quick` for networks.
        embeddings: vectors of the training images, for methods to select from.
        signals: a file of signals, or settings of the probe that is trained for them; the table of
            methods that rank by a column.
        root: folder of data sets known by name.
        seeds: runs of everything that draws; 0 … seeds − 1.
        baselines: which of `random` and `full` stand beside the results.
        methods: parameters of each method to select with, as texts.
        budgets: rows for each of them.
        balance: how classes share a budget; by default proportional.
        groups: of test rows: a column of the test file, or `clusters:K`.
        demands: gates.
        proxy_data: what the encoder and any proxy were trained on.
        seed: of the resamples.
        device: where to select.
        max_memory: bytes of anonymous memory that may be used.
        record_folds: networks more that judge, for `--record`, rows they were not trained on.
        use_cache: keep trained cells, and take those that are kept.
    """

    train: str
    test: str
    selections: tuple[Path, ...] = ()
    label: str | None = None
    test_label: str | None = None
    ids: str | None = None
    column: str | None = None
    model: str = LINEAR
    recipe: str | None = None
    embeddings: str | None = None
    signals: str | None = None
    root: Path | None = None
    seeds: int = 5
    baselines: tuple[str, ...] = BASELINES
    methods: Mapping[str, Mapping[str, str]]
    budgets: tuple[Budget, ...] = ()
    balance: str | None = None
    groups: str | None = None
    demands: tuple[Demand, ...] = ()
    proxy_data: str = "not stated"
    seed: int = 0
    device: str = "auto"
    max_memory: int = 1 << 62
    record_folds: int = 0
    use_cache: bool = True

    def __post_init__(self) -> None:
        _ = self.network, self.training  # names and settings are checked
        if self.network is None and self.embeddings is not None:
            raise InvalidParameter(
                "--embeddings goes with networks; the linear model selects from --train"
            )
        if self.seeds < 1:
            raise InvalidParameter(f"--seeds {self.seeds} runs nothing; ask for at least 1")
        if self.record_folds < 0 or self.record_folds == 1:
            raise InvalidParameter(
                f"--record-folds {self.record_folds}: held-out logits need 2 folds or more; "
                "5 is usual, 0 records none"
            )
        if self.proxy_data not in PROXY_DATA:
            raise InvalidParameter(f"--proxy-data is clean or corrupted, not '{self.proxy_data}'")
        if self.methods and not self.budgets:
            raise InvalidParameter("--method needs a budget; give --ratio or --count")
        if self.budgets and not self.methods:
            raise InvalidParameter("--ratio and --count say what --method keeps; give --method")
        results = bool(self.selections or self.methods)
        if not (results or "full" in self.baselines):
            raise InvalidParameter("nothing to evaluate; give index lists, or --method and --ratio")
        if self.demands and not results:
            raise InvalidParameter("--fail-under judges index lists and methods; none is given")
        for demand in self.demands:
            demand.require_baseline(self.baselines)
            if demand.measure == WORST_GROUP and self.groups is None:
                raise InvalidParameter(
                    f"--fail-under {WORST_GROUP} needs groups; name a column, or clusters:K, with "
                    "--groups"
                )
        self._require_what_methods_need()

    def _require_what_methods_need(self) -> None:
        """Check that there are vectors and signals for the methods that need them."""
        made = {name: make_method(name, values) for name, values in self.methods.items()}
        shared = needs_of(self.balance)
        needs = {name: selector_of(method).needs | shared for name, method in made.items()}
        by_file = FIELDS | {"given"}
        if self.signals is not None and not any(read & by_file for read in needs.values()):
            raise InvalidParameter(
                "--signals is for methods that read signals of training, and none of those here "
                "does; leave it out, or see `coreset methods` for those that do"
            )
        if self.network is None or self.embeddings is not None:
            return
        for name, read in needs.items():
            if "embeddings" in read:
                raise InvalidParameter(
                    f"{name} selects from vectors, and --train holds images; give their vectors "
                    "with --embeddings (see `coreset embed`), or an index list"
                )
            if read & FIELDS and not reads_file(self.signals):
                raise InvalidParameter(
                    f"{name} reads signals of training, and a probe for them is trained on "
                    "vectors; give those of the images with --embeddings (see `coreset embed`), "
                    "or --signals FILE of `coreset evaluate --record`"
                )

    @property
    def inputs(self) -> tuple[str, ...]:
        """All that is read, as typed."""
        typed = (self.train, self.test, *map(str, self.selections), self.embeddings)
        files = label_files(self.label, self.test_label, self.signals)
        return (*(name for name in typed if name is not None), *files)

    @property
    def network(self) -> NetworkSpec | None:
        """The network to train; none where the linear model is.

        Raises:
            InvalidParameter: no such network.
        """
        if self.model == LINEAR:
            return None
        name = self.model.partition(":")[0]
        if name.strip().lower().replace("_", "-") not in network_names():
            known = ", ".join((LINEAR, *network_names()))
            raise InvalidParameter(f"unknown model '{name}'; there are {known}")
        return network_spec(self.model)

    @property
    def training(self) -> LinearRecipe | NetworkRecipe:
        """Hyperparameters of the model.

        Raises:
            InvalidParameter: no such recipe for this model.
        """
        if self.network is None:
            return find_recipe(self.recipe or LINEAR)
        return network_recipe(self.recipe or QUICK)


def canonical_names(names: Sequence[str]) -> tuple[str, ...]:
    """Methods as they are written, each once.

    Raises:
        UnknownMethod: no method has this name.
    """
    return tuple(dict.fromkeys(canonical_name(name) for name in names))


def parse_baselines(text: str) -> tuple[str, ...]:
    """Baselines from `random,full`; an empty text is none.

    Raises:
        InvalidParameter: another word.
    """
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    for word in words:
        if word not in BASELINES:
            hint = did_you_mean(word, BASELINES) or f"; there are {', '.join(BASELINES)}"
            raise InvalidParameter(f"--baselines has no '{word}'{hint}")
    return words


def budgets_of(ratio: Sequence[str], count: Sequence[int]) -> tuple[Budget, ...]:
    """All budgets asked for, in the order given.

    Raises:
        InputError: no budget.
    """
    shares = [parse_budget(text, None) for text in ratio]
    return tuple(dict.fromkeys([*shares, *(parse_budget(None, k) for k in count)]))


def settings_of(
    names: Sequence[str], settings: Mapping[str, str]
) -> Mapping[str, Mapping[str, str]]:
    """Share out `METHOD.NAME=VALUE`, and `NAME=VALUE` to every method that has it.

    Raises:
        InvalidParameter: a method that is not run, or a parameter that none of them has.
    """
    found: dict[str, dict[str, str]] = {name: {} for name in names}
    for parameter, value in settings.items():
        owner, dot, inner = parameter.partition(".")
        if dot:
            method = canonical_name(owner)
            if method not in found:
                raise InvalidParameter(f"--set {parameter}: {method} is not run; add --method")
            found[method][inner] = value
            continue
        owners = [n for n in names if parameter in {f.name for f in fields(method_class(n))}]
        if not owners and len(names) == 1:
            owners = list(names)
        if not owners:
            raise InvalidParameter(
                f"--set {parameter}: no such parameter in {', '.join(names) or 'no method'}"
            )
        for name in owners:
            found[name].setdefault(parameter, value)
    return found
