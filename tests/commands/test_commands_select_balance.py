import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.commands.select_balance import Cvar, needs_of, parse_balance, stratified

RANDOM = ["-m", "random", "-k", 60]


@pytest.fixture
def labelled(tmp_path):
    """Two classes of two clouds each; in one cloud every second label is wrong."""
    draw = np.random.default_rng(0)
    cloud = np.arange(400) % 4
    rows = np.eye(4)[cloud] + draw.normal(0, 0.05, (400, 4))
    label = np.where(cloud == 3, np.arange(400) // 4 % 2, cloud % 2)
    table = {
        "embedding": pa.FixedSizeListArray.from_arrays(pa.array(rows.ravel(), pa.float32()), 4),
        "label": label,
        "cloud": cloud,
    }
    path = tmp_path / "clouds.parquet"
    pq.write_table(pa.table(table), path)
    return path


def test_a_balance_is_read_as_it_is_typed():
    assert parse_balance("equal") == "equal"
    assert parse_balance("cvar") == Cvar(groups=4, level=0.2, mix=0.5, trim=0.0)
    assert parse_balance("CVAR:groups=7,trim=0.25") == Cvar(groups=7, trim=0.25)
    assert needs_of("cvar:mix=0") == {"embeddings"}
    assert needs_of("cvar") == {"embeddings", "held_out"}
    assert needs_of("equal") == needs_of(None) == set()
    assert [stratified(text) for text in ("none", "equal", "cvar:level=0.1")] == [
        "none", "equal", "proportional"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("balance", "said"),
    [
        ("fair", "'none', 'proportional', 'equal' or cvar"),
        ("cvr", "or cvar[:groups=4"),
        ("equal:level=1", "takes no settings"),
        ("cvar:groups=0", "groups is 0; it must be 1 or more"),
        ("cvar:level=0", "level is 0.0; it must be in"),
        ("cvar:mix=1.5", "mix is 1.5; it must be in"),
        ("cvar:trim=1", "trim is 1.0; it must be in"),
        ("cvar:tail=0.2", "no parameter 'tail'"),
        ("cvar:groups", "name=value"),
    ],
)
def test_wrong_settings_are_refused(run_cli, labelled, balance, said):
    for command in (
        ["select", labelled, *RANDOM],
        ["evaluate", "--train", labelled, "--test", labelled, *RANDOM],
    ):
        got = run_cli(*command, "--balance", balance)
        assert got.code == 2
        assert said in got.err


def test_a_group_with_wrong_labels_gets_more_rows_unless_it_is_trimmed(run_cli, labelled):
    """It chases the noise: that is what it is for, and what `trim` is for."""
    cloud = pq.read_table(labelled)["cloud"].to_numpy()

    def share(balance):
        got = run_cli("select", labelled, *RANDOM, "--balance", balance, "--json")
        assert got.code == 0, got.err
        return np.mean(cloud[json.loads(got.out)["rows"]] == 3)

    chasing, trimmed = share("cvar:groups=3,mix=1"), share("cvar:groups=3,mix=1,trim=0.3")
    assert share("cvar:groups=3,mix=0") == pytest.approx(0.25, abs=0.02)
    assert chasing > 0.45
    assert trimmed < 0.3


def test_the_manifest_tells_of_every_group(run_cli, labelled):
    got = run_cli("select", labelled, *RANDOM, "--balance", "cvar:groups=2", "--json")
    manifest = json.loads(got.out)
    assert manifest["parameters"]["balance"] == "cvar:groups=2,level=0.2,mix=0.5,trim=0"
    assert "probe" in manifest["parameters"]["signals"]
    assert not manifest["exact"]
    names = [f"group {label}/{number}" for label in (0, 1) for number in (0, 1)]
    facts = manifest["facts"]
    assert set(facts) == {f"{n}: {w}" for n in names for w in ("rows", "loss", "mass", "quota")}
    assert sum(facts[f"{name}: quota"] for name in names) == 60
    assert sum(facts[f"{name}: mass"] for name in names) == pytest.approx(1)


@pytest.mark.parametrize("method", ["herding", "robust-herding", "el2n", "ccs"])
def test_every_kind_of_method_is_balanced(run_cli, labelled, method):
    """One in a pool, one that is judged before, one that reads signals too, one that is scored."""
    got = run_cli("select", labelled, "-m", method, "-k", 60, "--balance", "cvar", "--json")
    assert got.code == 0, got.err
    manifest = json.loads(got.out)
    assert len(set(manifest["rows"])) == 60
    assert manifest["parameters"]["balance"].startswith("cvar:groups=4")
    plain = run_cli("select", labelled, "-m", method, "-k", 60, "--balance", "cvar:mix=0", "--json")
    whole = run_cli(
        "select", labelled, "-m", method, "-k", 60, "--balance", "cvar:level=1", "--json"
    )
    assert json.loads(plain.out)["rows"] == json.loads(whole.out)["rows"]


def test_without_labels_it_says_what_is_missing(run_cli, tmp_path):
    rows = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    np.save(tmp_path / "bare.npy", rows)
    got = run_cli("select", tmp_path / "bare.npy", *RANDOM[:-1], 9, "--balance", "cvar")
    assert got.code == 2
    assert "--label" in got.err
    plain = run_cli("select", tmp_path / "bare.npy", *RANDOM[:-1], 9, "--balance", "cvar:mix=0")
    assert len(set(plain.rows)) == 9


def test_signals_of_a_file_and_a_minimum(run_cli, labelled, tmp_path):
    got = run_cli("select", labelled, *RANDOM, "--balance", "cvar", "--min-per-class", 1)
    assert got.code == 2
    assert "--min-per-class needs" in got.err
    got = run_cli("select", labelled, *RANDOM, "--balance", "cvar", "--signals", "probe:epochs=3",
                  "--json")  # fmt: skip
    assert json.loads(got.out)["parameters"]["signals"]["probe"]["epochs"] == 3


def test_a_dry_run_knows_of_probe_and_groups(run_cli, labelled):
    def planned(balance):
        got = run_cli("select", labelled, *RANDOM, "--balance", balance, "--dry-run", "--json")
        assert got.code == 0, got.err
        return json.loads(got.out)

    cvar, plain, by_class = map(planned, ("cvar", "cvar:mix=0", "proportional"))
    assert cvar["balance"] == "cvar:groups=4,level=0.2,mix=0.5,trim=0"
    assert cvar["training_seconds"] > 0 == plain["training_seconds"]
    assert plain["bytes_to_read"] > by_class["bytes_to_read"]
    assert cvar["peak_memory"] > plain["peak_memory"] - (8 << 20)


def test_evaluate_selects_with_it(run_cli, labelled, tmp_path, monkeypatch):
    """The random baseline beside it keeps the classes' shares; the picks are those of `select`."""
    monkeypatch.setenv("CORESET_CACHE_DIR", str(tmp_path / "cache"))
    common = ["-m", "herding", "-k", 60, "--balance", "cvar:groups=2", "--device", "cpu"]
    got = run_cli("evaluate", "--train", labelled, "--test", labelled, *common, "--seeds", 1,
                  "--baselines", "random", "--json", "-q")  # fmt: skip
    assert got.code == 0, got.err
    ours, random = json.loads(got.out)["cells"]
    assert (ours["balance"], random["balance"]) == (
        "cvar:groups=2,level=0.2,mix=0.5,trim=0",
        "proportional",
    )
    assert ours["gain"] == pytest.approx(ours["accuracy"] - random["accuracy"])
    picked = run_cli("select", labelled, *common, "--json")
    manifest = json.loads(picked.out)
    assert ours["runs"][0]["selection_digest"] == manifest["selection_digest"]
