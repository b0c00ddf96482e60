"""`select` with methods that read a score: of another method, and of a table."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
import torch
from clouds import ids_of, points_of

from coreset_cli.artifacts.labels import make_labels
from coreset_cli.artifacts.signals import write_signals
from coreset_cli.commands.register import make_method
from coreset_cli.commands.select_score import selector_of
from coreset_cli.errors import InvalidParameter
from coreset_cli.selector import needs
from coreset_cli.training.probe import ProbeRecipe, train_probe
from coreset_cli.training.record import Recorder

N = 60
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 3, N)
ROWS = (RNG.normal(size=(N, 5)) + 2 * np.eye(3, 5)[LABELS]).astype(np.float32)
IDS = np.array([f"row {i}" for i in range(N)])
SCORES = RNG.permutation(N) / 7
BEST = np.argsort(-SCORES)[:6].tolist()


@pytest.fixture
def emb(tmp_path):
    column = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 5)
    path = tmp_path / "emb.parquet"
    pq.write_table(pa.table({"id": IDS, "label": LABELS, "embedding": column}), path)
    return path


@pytest.fixture
def bare(tmp_path):
    np.save(tmp_path / "rows.npy", ROWS)
    return tmp_path / "rows.npy"


def table(**columns):
    return pa.table(columns)


def top(run_cli, emb, scores, *more):
    settings = ("--balance", "none", "--signals", scores)
    return run_cli("select", "-m", "topk", "-k", 6, emb, *settings, *more)


@pytest.mark.parametrize("form", ["parquet", "csv", "jsonl"])
def test_rows_are_found_by_id(form, emb, tmp_path, run_cli):
    order, path = RNG.permutation(N), tmp_path / f"scores.{form}"
    found = table(id=IDS[order], clip=SCORES[order], words=IDS[order])
    if form == "parquet":
        pq.write_table(found, path)
    elif form == "csv":
        pa.csv.write_csv(found, path)
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in found.to_pylist()))
    assert top(run_cli, emb, path, "--set", "column=clip").rows == BEST


def test_texts_like_numbers_stay_ids(tmp_path, run_cli):
    column = pa.FixedSizeListArray.from_arrays(pa.array(ROWS[:3].ravel()), 5)
    pq.write_table(table(id=["007", "7", "x"], embedding=column), tmp_path / "emb.parquet")
    (tmp_path / "scores.csv").write_text("id,score\n7,3\n007,1\nx,2\n")
    found = run_cli(
        "select", "-m", "topk", "-k", 3, tmp_path / "emb.parquet",
        "--signals", tmp_path / "scores.csv",
    )  # fmt: skip
    assert found.rows == [1, 2, 0]


def test_rows_are_found_by_position_where_the_table_has_no_ids(emb, bare, tmp_path, run_cli):
    pq.write_table(table(score=SCORES), tmp_path / "scores.parquet")
    np.save(tmp_path / "scores.npy", SCORES)
    for scores in ("scores.parquet", "scores.npy"):
        for data in (emb, bare):
            assert top(run_cli, data, tmp_path / scores).rows == BEST


def test_the_column_of_ids_may_have_any_name(tmp_path, run_cli):
    column = pa.FixedSizeListArray.from_arrays(pa.array(ROWS.ravel()), 5)
    pq.write_table(table(sample=IDS, embedding=column), tmp_path / "emb.parquet")
    pq.write_table(table(sample=IDS[::-1], score=SCORES[::-1]), tmp_path / "scores.parquet")
    path = tmp_path / "scores.parquet"
    assert top(run_cli, tmp_path / "emb.parquet", path, "--id", "sample").rows == BEST


def test_ends_and_classes(emb, tmp_path, run_cli):
    np.save(tmp_path / "scores.npy", SCORES)
    low = top(run_cli, emb, tmp_path / "scores.npy", "--set", "keep=low").rows
    assert low == np.argsort(SCORES)[:6].tolist()
    settings = ("--signals", tmp_path / "scores.npy", "--balance", "equal")
    rows = run_cli("select", "-m", "topk", "-k", 3, emb, *settings).rows
    best = [max(np.flatnonzero(own), key=lambda i: SCORES[i]) for own in np.eye(3)[:, LABELS]]
    assert rows == best


def test_a_selection_of_all_rows_is_a_table_too(emb, tmp_path, run_cli):
    whole = tmp_path / "whole.parquet"
    run_cli("select", "-m", "hard", "-k", N, emb, "--balance", "none", "-o", whole)
    hard = run_cli("select", "-m", "hard", "-k", 6, emb, "--balance", "none").rows
    assert top(run_cli, emb, whole).rows == hard
    some = tmp_path / "some.parquet"
    run_cli("select", "-m", "hard", "-k", 9, emb, "-o", some)
    found = top(run_cli, emb, some)
    assert (found.code, "51 of 60 ids are missing" in found.err) == (3, True)


def recorded(path):
    labels = make_labels(pa.array(LABELS), "labels")
    signals = train_probe(
        points_of(ROWS, IDS.tolist()), ids_of(N, IDS.tolist()), labels, ProbeRecipe(), seed=0,
        needs=needs("dynamics", "early", "last"),
    )  # fmt: skip
    write_signals(path, signals)
    return signals.dynamics


def test_a_signal_of_epochs_is_averaged(emb, tmp_path, run_cli):
    dynamics = recorded(tmp_path / "signals.parquet")
    found = top(run_cli, emb, tmp_path / "signals.parquet", "--set", "column=p_true")
    means = dynamics.p_true.astype(float).mean(1)
    assert found.rows == np.argsort(-means, kind="stable")[:6].tolist()
    correct = top(run_cli, emb, tmp_path / "signals.parquet", "--set", "column=correct")
    assert correct.rows == np.lexsort((IDS, -dynamics.correct.mean(1)))[:6].tolist()


def test_an_epoch_in_which_a_row_was_not_seen_does_not_count(bare, tmp_path, run_cli):
    """Row 1 was right when it was seen; row 0 once of twice, and all others never."""
    recorder = Recorder(n=N, classes=2, epochs=2)
    targets = torch.zeros(N, dtype=torch.int64)
    for epoch in (0, 1):
        rows = torch.tensor([row for row in range(N) if (row, epoch) != (1, 0)])
        right = (rows == 1) | ((rows == 0) & (epoch == 1))
        logits = torch.stack([right.float(), 0.5 * torch.ones(len(rows))], 1)
        recorder(epoch, rows, logits, targets[rows])
    recorder.write(tmp_path / "own.parquet")
    found = top(run_cli, bare, tmp_path / "own.parquet", "--set", "column=correct")
    assert found.rows[:2] == [1, 0]


@pytest.mark.parametrize(
    ("columns", "named", "code", "said"),
    [
        ({"id": IDS, "clip": SCORES}, "clop", 2, "did you mean clip?"),
        ({"id": IDS, "clip": SCORES}, "zzzz", 2, "it has id, clip"),
        ({"id": IDS, "clip": IDS}, "clip", 3, "holds large_string; a score is a number"),
        ({"id": IDS[1:], "clip": SCORES[1:]}, "clip", 3, "id 'row 0' (row 0) is not in"),
        ({"id": np.arange(N), "clip": SCORES}, "clip", 3, "integer ids"),
        ({"clip": SCORES[1:]}, "clip", 3, "has 59 rows"),
        ({"clip": [None, *SCORES[1:]]}, "clip", 3, "row 0 has the score nan (1 of 60 rows"),
        ({"clip": [*SCORES[1:], np.inf]}, "clip", 3, "row 59 has the score inf"),
        ({"clip": pa.array([[0.0]] * N)}, "clip", 3, "holds vectors; a score is one number a row"),
    ],
)
def test_what_is_no_score_is_refused(columns, named, code, said, emb, tmp_path, run_cli):
    pq.write_table(table(**columns), tmp_path / "scores.parquet")
    found = top(run_cli, emb, tmp_path / "scores.parquet", "--set", f"column={named}")
    assert (found.code, found.out) == (code, "")
    assert said in found.err


def test_what_is_no_table_is_refused(emb, tmp_path, run_cli):
    missing = run_cli("select", "-m", "topk", "-k", 5, emb)
    assert (missing.code, "--signals FILE" in missing.err) == (2, True)
    assert top(run_cli, emb, tmp_path / "nowhere.csv").code == 2
    probe = top(run_cli, emb, "probe:epochs=3")
    assert (probe.code, "trains a probe, and the score is column" in probe.err) == (2, True)
    (tmp_path / "words.txt").write_text("0.5\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "broken.jsonl").write_text("{")
    assert "no table that is read" in top(run_cli, emb, tmp_path / "words.txt").err
    assert "is empty" in top(run_cli, emb, tmp_path / "empty.csv").err
    assert "truncated or damaged" in top(run_cli, emb, tmp_path / "broken.jsonl").err
    np.save(tmp_path / "scores.npy", SCORES)
    over = top(run_cli, emb, tmp_path / "scores.npy", "-f", "-o", tmp_path / "scores.npy")
    assert (over.code, "scores.npy" in over.err) == (2, True)


def settings(**values):
    return [word for name, value in values.items() for word in ("--set", f"{name}={value}")]


@pytest.mark.parametrize("method", ["ccs", "d2"])
def test_a_score_of_a_method_and_its_column_pick_the_same(method, emb, tmp_path, run_cli):
    """The distances that `hard` ranks by, computed in NumPy, class by class."""
    away, beyond = np.empty(N), np.empty(N)
    for own in np.eye(3, dtype=bool)[:, LABELS]:
        rows = ROWS[own].astype(float)
        away[own] = np.linalg.norm(rows - rows.mean(0), axis=1)
        beyond[own] = away[own] - away[own].min()
    for name, scores in {"away": away, "near": -away, "beyond": beyond}.items():
        np.save(tmp_path / f"{name}.npy", scores)

    def picked(**values):
        return run_cli("select", "-m", method, "-k", 12, emb, *settings(**values)).rows

    def by_column(name, **values):
        chosen = settings(column="score", **values)
        signals = tmp_path / f"{name}.npy"
        return run_cli("select", "-m", method, "-k", 12, emb, "--signals", signals, *chosen).rows

    assert by_column("away") == picked(score="hard")
    assert by_column("near", hard="low") == by_column("beyond")  # the largest less each


@pytest.mark.parametrize("method", ["ccs", "d2"])
def test_a_probe_is_trained_for_the_score(method, emb, tmp_path, run_cli):
    recorded(tmp_path / "signals.parquet")

    def picked(*more):
        return run_cli("select", "-m", method, "-k", 9, emb, *more).rows

    for score in ("aum", "el2n:at=last", "forgetting"):
        trained = picked(*settings(score=score))
        assert len(trained) == 9
        read = picked(*settings(score=score), "--signals", tmp_path / "signals.parquet")
        assert read == trained


def test_the_manifest_says_where_the_score_comes_from(emb, tmp_path, run_cli):
    def told(*more):
        return json.loads(run_cli("select", "-k", 5, emb, "--json", *more).out)

    found = told("-m", "ccs")["parameters"]
    assert found["score"] == {
        "method": "aum", "set": {"keep": "low", "margin": "logit"}, "hard": "low"
    }  # fmt: skip
    assert found["signals"]["probe"] == vars(ProbeRecipe())
    by_distance = told("-m", "d2", *settings(score="hard"))
    assert by_distance["parameters"]["signals"] is None
    assert by_distance["exact"]
    assert told("-m", "gm")["parameters"]["score"] is None
    np.save(tmp_path / "scores.npy", SCORES)
    by_column = told("-m", "topk", "--signals", tmp_path / "scores.npy")["parameters"]["score"]
    assert by_column["file"] == str(tmp_path / "scores.npy")
    np.save(tmp_path / "scores.npy", SCORES + 1)
    again = told("-m", "topk", "--signals", tmp_path / "scores.npy")["parameters"]["score"]
    assert again["content_digest"] != by_column["content_digest"]


def test_the_dry_run_counts_the_score(emb, tmp_path, run_cli):
    found = run_cli("select", "-m", "ccs", "-k", 5, emb, "--dry-run", "--json")
    assert json.loads(found.out)["training_seconds"] > 0
    np.save(tmp_path / "scores.npy", SCORES)
    dry = ("--signals", tmp_path / "scores.npy", "--dry-run", "--json")
    assert json.loads(run_cli("select", "-m", "topk", "-k", 5, emb, *dry).out)["count"] == 5


@pytest.mark.parametrize(
    ("score", "said"),
    [
        ("amu", "score cannot be 'amu'; did you mean aum?"),
        ("", "score cannot be ''; it takes aum, cal"),
        ("gm", "it takes aum, cal, deepfool"),
        ("topk", "for a column of a table, --set column=NAME"),
        ("d2", "score cannot be 'd2'"),
        ("el2n:att=last", "did you mean at?"),
        ("aum:keep=middle", "the hard end is keep=high or keep=low"),
    ],
)
def test_what_gives_no_score_is_refused(score, said):
    with pytest.raises(InvalidParameter) as refused:
        selector_of(make_method("ccs", {"score": score}))
    assert said in str(refused.value)


def test_the_end_of_no_column_is_refused():
    with pytest.raises(InvalidParameter, match="no column is named; for the other end of aum"):
        selector_of(make_method("d2", {"hard": "low"}))
    selector_of(make_method("d2", {"hard": "low", "column": "x"}))


def test_a_selector_needs_what_its_score_needs():
    def needed(name, **values):
        return selector_of(make_method(name, values)).needs

    assert needed("ccs") == needs("dynamics")
    assert needed("d2", score="cal") == needs("embeddings", "held_out")
    assert needed("d2", column="x") == needs("embeddings", "given")
    assert needed("topk") == needs("given")
    assert needed("el2n") == needs("early")


@pytest.mark.parametrize(("score", "hard"), [("aum", "low"), ("el2n", "high"), ("easy", "high")])
def test_hard_rows_are_those_far_from_what_a_network_finds_easy(score, hard):
    assert selector_of(make_method("ccs", {"score": score})).hard == hard


def test_a_score_of_all_classes_together_is_none_of_a_class():
    with pytest.raises(InvalidParameter, match="'trust', which does not say how hard"):
        selector_of(make_method("ccs", {"score": "trust"}))
