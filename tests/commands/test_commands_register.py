from dataclasses import dataclass

import numpy as np
import pytest

from coreset_cli import methods
from coreset_cli.commands import register
from coreset_cli.commands.register import (
    canonical_name,
    make_method,
    method_class,
    method_names,
)
from coreset_cli.errors import InvalidParameter, UnknownMethod
from coreset_cli.methods.gm import Gm

NEW_METHOD = '''"""Tallest: rows with the largest values.

Source: made up for a test.
Cost: O(n d) time, O(n) memory; one pass over the rows.
Robustness: none.
"""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from coreset_cli.kernels.ranking import Keep
from coreset_cli.seeds import Rng
from coreset_cli.selector import Cost, Field, Inputs, needs

__all__ = ["VeryTall"]


@dataclass(frozen=True, kw_only=True)
class VeryTall:
    """Keep the rows with the largest values.

    Args:
        power: what the values are raised to.
    """

    needs: ClassVar[frozenset[Field]] = needs("embeddings")
    exact: ClassVar[bool] = False
    keep: ClassVar[Keep] = "high"

    power: int = 1

    def score(self, data: Inputs, rng: Rng) -> NDArray[np.float64]:
        """[n] sum of powers."""
        return data.embeddings.each(lambda rows: (rows**self.power).sum(1)).cpu().numpy()

    def cost(self, n: int, k: int) -> Cost:
        """One."""
        return Cost(reads=1.0)
'''


def test_one_new_file_is_a_new_method(tmp_path, monkeypatch, run_cli):
    """Nothing else is needed: the file alone is listed, documented, configured and run."""
    folder = tmp_path / "methods"
    folder.mkdir()
    (folder / "very_tall.py").write_text(NEW_METHOD)
    monkeypatch.setattr(methods, "__path__", [*methods.__path__, str(folder)])
    np.save(tmp_path / "a.npy", np.float32([[1, 1], [-5, 0], [3, 0], [0, 0.5]]))

    assert "very-tall" in method_names()
    assert "largest values" in run_cli("methods", "very-tall").out
    assert "very-tall\tembeddings" in run_cli("methods").out
    assert run_cli("select", "-m", "very-tall", "-k", 3, tmp_path / "a.npy").rows == [2, 0, 3]
    squared = run_cli("select", "-m", "very_tall", "--set", "power=2", "-k", 3, tmp_path / "a.npy")
    assert squared.rows == [1, 2, 0]
    (tmp_path / "labels.txt").write_text("a\nb\nb\na\n")
    shared = run_cli(
        "select", "-m", "very-tall", "-k", 2, "--label", tmp_path / "labels.txt", tmp_path / "a.npy"
    )
    assert shared.rows == [0, 2]
    wrong = run_cli("select", "-m", "very-tal", "-k", 1, tmp_path / "a.npy")
    assert (wrong.code, "did you mean very-tall" in wrong.err) == (2, True)


def test_names_are_the_files():
    first = {"easy", "gm", "hard", "herding", "k-center", "moderate", "random"}
    geometry = {"facility-location", "graph-cut", "kernel-herding", "kernel-thinning"}
    geometry |= {"echo", "prototypes", "semdedup", "zcore"}
    predictions = {"cal", "contextual-diversity", "deepfool", "entropy", "least-confidence"}
    dynamics = {"aum", "dual", "dyn-unc", "el2n", "forgetting", "grand", "margin", "tdds"}
    gradients = {"craig", "glister", "gradmatch", "influence", "lcmat-s", "prune4rel"}
    composed = {"ccs", "d2", "elfs", "topk"}
    ours = {"robust-herding", "trust"}
    found = first | geometry | predictions | dynamics | gradients | composed | ours
    assert method_names() == sorted(found)


def test_what_is_no_module_is_no_method(tmp_path, monkeypatch):
    for name in ("good.py", "_draft.py", ".#good.py", "good 2.py", "notes.md", "__init__.py"):
        (tmp_path / name).write_text("")
    monkeypatch.setattr(methods, "__path__", [str(tmp_path)])
    assert method_names() == ["good"]


@pytest.mark.parametrize("name", ["k-center", "k_center", "K-Center", " k-center "])
def test_spellings_of_a_name(name):
    assert canonical_name(name) == "k-center"
    assert method_class(name).__name__ == "KCenter"


@pytest.mark.parametrize(("name", "near"), [("herdng", "herding"), ("kcenter", "k-center")])
def test_unknown_names_are_refused_with_the_nearest(name, near):
    with pytest.raises(UnknownMethod, match=f"unknown method '{name}'; did you mean {near}"):
        make_method(name, {})


def test_unknown_names_far_from_all_are_refused_with_the_list():
    with pytest.raises(UnknownMethod, match="there are aum, cal, ccs, contextual"):
        canonical_name("zzz")


def test_settings_become_values_of_the_fields():
    settings = {"match": "l2", "gamma": "0.5", "batches": "3"}
    assert make_method("gm", settings) == Gm(match="l2", gamma=0.5, batches=3)


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("gm", {"macth": "l2"}, "gm has no parameter 'macth'; did you mean match"),
        ("gm", {"zzz": "1"}, "it has match, theta0, gamma, batches"),
        ("random", {"seed": "1"}, "random has no parameter 'seed'; it has none"),
        ("gm", {"match": "cosin"}, "gm: match cannot be 'cosin'; did you mean cosine"),
        ("gm", {"match": "zzz"}, "it takes l2, dot, cosine"),
        ("gm", {"batches": "2.5"}, "gm: batches cannot be '2.5'; it takes int"),
        ("gm", {"gamma": "much"}, "gm: gamma cannot be 'much'; it takes float"),
        ("gm", {"gamma": "nan"}, "gm: gamma cannot be NaN"),
        ("gm", {"gamma": "inf"}, "gamma is inf"),
        ("gm", {"gamma": "0"}, "gamma is 0.0; it must be above 0"),
    ],
)
def test_impossible_settings_are_refused(name, settings, message):
    with pytest.raises(InvalidParameter) as refused:
        make_method(name, settings)
    assert message in str(refused.value)


@dataclass(frozen=True, kw_only=True)
class Every:
    """Fields of every type."""

    flag: bool = False
    limit: int | None = None
    word: str = ""


def test_flags_optional_numbers_and_words(monkeypatch):
    monkeypatch.setattr(register, "method_class", lambda name: Every)
    made = make_method("every", {"flag": "True", "limit": "3", "word": "a=b"})
    assert made == Every(flag=True, limit=3, word="a=b")
    assert make_method("every", {"limit": "none"}) == Every()
    with pytest.raises(InvalidParameter, match="flag cannot be 'yes'; it is true or false"):
        make_method("every", {"flag": "yes"})
