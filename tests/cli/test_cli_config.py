"""Flag over environment over file over default, for every option of every command."""

import json
from typing import get_args

import numpy as np
import pytest
from typer.core import TyperArgument, TyperOption

from coreset_cli.cli.app import build

OPTIONS = [
    (name, option)
    for name, command in build().commands.items()
    for option in command.params
    if isinstance(option, TyperOption)
]


@pytest.fixture
def project(tmp_path, monkeypatch, make_points):
    """An empty folder to work in, with vectors of 60 rows beside it."""
    np.save(tmp_path / "emb.npy", make_points(60, 5, 0))
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def selected(run_cli, project):
    """The manifest of a run in that folder."""

    def call(*arguments):
        done = run_cli("select", "../emb.npy", "--json", *arguments)
        assert done.code == 0, done.err
        return json.loads(done.out)

    return call


def a_value(option):
    """Some value of an option, as text, that is not its default."""
    kind = option.type_descriptor
    values = get_args(kind.annotation)  # of a list, or of a value that may be absent
    if option.is_flag:
        return "0" if option.default else "1"
    if kind.is_choice:
        return next(str(c.value) for c in kind.choices if c != option.default)
    if kind.annotation in {int, float} or {int, float} & set(values):
        return "7"
    return "word"


@pytest.mark.parametrize(("command", "option"), OPTIONS, ids=[f"{c}-{o.name}" for c, o in OPTIONS])
def test_every_option_reads_its_variable(monkeypatch, command, option):
    flag = max(option.opts, key=len)
    variable = f"CORESET_{command}_{flag.removeprefix('--').replace('-', '_')}".upper()
    monkeypatch.setenv(variable, a_value(option))
    parser = build().commands[command]
    words = ["x" for p in parser.params if isinstance(p, TyperArgument) and p.required]
    for other in parser.params:
        if isinstance(other, TyperOption) and other.required and other.name != option.name:
            words += [other.opts[0], a_value(other)]
    context = parser.make_context(command, words)
    assert context.get_parameter_source(option.name).name == "ENVIRONMENT"
    assert context.params[option.name] != option.default


def test_select_has_its_options():
    """The walk above walks: these are there, under these names."""
    names = {option.name for command, option in OPTIONS if command == "select"}
    assert {"method", "ratio", "count", "seed", "device", "max_memory", "dry_run"} <= names


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(
    selected, project, monkeypatch
):
    assert selected("-k", 5)["seed"] == 0
    (project / "coreset.toml").write_text("[select]\nseed = 1\n")
    assert selected("-k", 5)["seed"] == 1
    monkeypatch.setenv("CORESET_SELECT_SEED", "2")
    assert selected("-k", 5)["seed"] == 2
    assert selected("-k", 5, "--seed", 3)["seed"] == 3


@pytest.mark.parametrize(
    ("low", "high"), [("file", "environment"), ("file", "flag"), ("environment", "flag")]
)
@pytest.mark.parametrize("name", ["ratio", "count"])
def test_the_budget_at_a_higher_level_silences_the_other(
    selected, project, monkeypatch, low, high, name
):
    values = {"ratio": "0.1", "count": "5"}  # 6 rows, and 5 rows
    other = "count" if name == "ratio" else "ratio"
    if low == "file":
        (project / "coreset.toml").write_text(f"[select]\n{other} = {values[other]}\n")
    else:
        monkeypatch.setenv(f"CORESET_SELECT_{other}".upper(), values[other])
    flags = []
    if high == "flag":
        flags = [f"--{name}", values[name]]
    else:
        monkeypatch.setenv(f"CORESET_SELECT_{name}".upper(), values[name])
    assert len(selected(*flags)["rows"]) == {"ratio": 6, "count": 5}[name]


def test_budgets_of_evaluate_are_silenced_too(run_cli, project, make_points):
    points, labels = make_points(60, 5, 0), np.arange(60) % 3
    np.save(project / "emb.npy", points)
    np.save(project / "labels.npy", labels)
    line = [*("evaluate", "--train", "emb.npy", "--test", "emb.npy"), *("--label", "labels.npy")]
    line += ["--test-label", "labels.npy"]
    line += ["--method", "random", "-k", 5, "--seeds", 1, "--dry-run"]
    alone = run_cli(*line)
    (project / "coreset.toml").write_text('[evaluate]\nratio = ["0.2", "0.3"]\n')
    assert alone.code == 0, alone.err
    plans = [
        done.out.split("time")[0] for done in (alone, run_cli(*line), run_cli(*line, "-r", "0.2"))
    ]
    assert plans[0] == plans[1] != plans[2]


def test_two_budgets_in_one_file_are_refused(run_cli, project):
    (project / "coreset.toml").write_text("[select]\nratio = 0.1\ncount = 5\n")
    done = run_cli("select", "../emb.npy")
    assert done.code == 2
    assert "exactly one of --ratio" in done.err


def test_pyproject_configures_too(selected, project):
    (project / "pyproject.toml").write_text("[tool.coreset.select]\nmin-per-class = 0\ncount = 4\n")
    assert len(selected()["rows"]) == 4


def test_the_nearest_file_counts_and_others_tools_do_not(selected, project, monkeypatch):
    (project.parent / "coreset.toml").write_text("[select]\ncount = 4\n")
    (project / "pyproject.toml").write_text("[tool.other]\nx = 1\n")
    assert len(selected()["rows"]) == 4
    (project / "pyproject.toml").write_text("[tool.coreset.select]\ncount = 3\n")
    assert len(selected()["rows"]) == 3
    (project / "coreset.toml").write_text("[select]\ncount = 2\n")
    assert len(selected()["rows"]) == 2


@pytest.mark.parametrize(
    "table",
    [
        'set = { match = "l2", gamma = 0.5 }',
        'set = ["match=l2", "gamma=0.5"]',
        '[select.set]\nmatch = "l2"\ngamma = 0.5',
    ],
)
def test_parameters_of_a_method_are_a_table_or_a_list(selected, project, table):
    (project / "coreset.toml").write_text(f"[select]\n{table}\n")
    found = selected("-m", "gm", "-k", 5)["parameters"]["set"]
    assert (found["match"], found["gamma"]) == ("l2", 0.5)


def test_one_word_for_a_repeatable_option_is_one_value(selected, project):
    (project / "coreset.toml").write_text('[select]\nset = "match=l2"\n')
    assert selected("-m", "gm", "-k", 5)["parameters"]["set"]["match"] == "l2"


def test_a_variable_of_a_repeatable_option_is_split_at_spaces(selected, monkeypatch):
    monkeypatch.setenv("CORESET_SELECT_SET", "match=l2 gamma=0.5")
    found = selected("-m", "gm", "-k", 5)["parameters"]["set"]
    assert (found["match"], found["gamma"]) == ("l2", 0.5)


def test_flags_of_a_file_are_true_or_false(run_cli, project):
    (project / "coreset.toml").write_text("[select]\nquiet = true\njson = true\n")
    done = run_cli("select", "-k", 5, "../emb.npy")
    assert len(json.loads(done.out)["rows"]) == 5
    assert len(done.err.splitlines()) == 1


WRONG = {
    "unknown table": ("[selct]\ncount = 5\n", "[selct] is no table of a command; did you mean sel"),
    "no table": ("count = 5\n", "[count] is no table of a command"),
    "unknown key": ("[select]\ncuont = 5\n", "[select] has no option 'cuont'; did you mean count?"),
    "no TOML": ("[select\n", "is no TOML: "),
    "not text": (b"\xff\xfe", "is no TOML: "),
    "a list for one value": ("[select]\ncount = [5]\n", "[select] count takes one value, not [5]"),
    "a word for a flag": ('[select]\ncount = 5\nquiet = "no"\n', "quiet takes true or false"),
    "a word for a number": ('[select]\ncount = "ten"\n', "'--count' / '-k'"),
    "no such method": ('[select]\ncount = 5\nmethod = "gn"\n', "unknown method 'gn'; did you"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_file_is_2_and_one_line(run_cli, project, case):
    text, message = WRONG[case]
    path = project / "coreset.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    done = run_cli("select", "../emb.npy")
    assert (done.code, done.out) == (2, "")
    assert len(done.err.splitlines()) == 1
    assert message in done.err
    if case != "no such method":
        assert str(path) in done.err


def test_a_wrong_variable_is_named(run_cli, project, monkeypatch):
    monkeypatch.setenv("CORESET_SELECT_COUNT", "ten")
    done = run_cli("select", "../emb.npy")
    assert done.code == 2
    assert "(from CORESET_SELECT_COUNT=ten)" in done.err


def test_help_works_beside_a_broken_file(run_cli, project):
    (project / "coreset.toml").write_text("[")
    assert run_cli("--help").code == 0
    assert run_cli("--version").code == 0
