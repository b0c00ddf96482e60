"""Help, version, completion: quick, and without the libraries that take seconds to load."""

import json
import os
import subprocess
import sys

import pytest

from coreset_cli import __version__
from coreset_cli.commands.register import method_names

HEAVY = {"torch", "pyarrow", "sklearn", "scipy", "matplotlib", "numpy", "numba"}


def loaded_by(*arguments):
    """Exit code and top-level modules of a run, from inside its own process."""
    script = (
        "import json, sys; from coreset_cli.cli.app import run; code = run(sys.argv[1:]); "
        "sys.stdout.flush(); "
        "print(json.dumps([code, sorted({name.partition('.')[0] for name in sys.modules})]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    code, modules = json.loads(done.stdout.splitlines()[-1])
    return code, set(modules)


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--help"], 0),
        (["select", "--help"], 0),
        (["evaluate", "--help"], 0),
        (["--version"], 0),
        (["--show-completion", "bash"], 0),
        ([], 2),
        (["select", "--metod", "gm"], 2),
        (["select", "-k", "ten", "emb.npy"], 2),
        (["select", "-m", "herdng", "-k", "5", "emb.npy"], 2),
        (["select", "-m", "gm", "emb.npy"], 2),
        (["select", "-m", "gm", "-r", "1.5", "emb.npy"], 2),
    ],
)
def test_words_alone_load_no_heavy_library(arguments, code):
    ended, modules = loaded_by(*arguments)
    assert ended == code
    assert modules & HEAVY == set()


def test_the_version_is_on_stdout(run_cli):
    done = run_cli("--version")
    assert (done.code, done.out, done.err) == (0, f"coreset {__version__}\n", "")


def test_help_names_every_command_and_where_else_options_come_from(run_cli):
    done = run_cli("--help")
    assert done.code == 0
    for word in ["select", "take", "evaluate", "methods", "info", "CORESET_<COMMAND>_<OPTION>"]:
        assert word in done.out


def test_short_help_is_help(run_cli):
    assert run_cli("select", "-h").out == run_cli("select", "--help").out != ""


@pytest.mark.parametrize(
    ("shell", "mark"),
    [
        ("bash", "complete -o default -F _coreset_completion coreset"),
        ("zsh", "compdef _coreset_completion coreset"),
        ("fish", "complete --command coreset"),
        ("powershell", "Register-ArgumentCompleter"),
    ],
)
def test_a_completion_script_for_a_named_shell(run_cli, shell, mark):
    done = run_cli("--show-completion", shell)
    assert (done.code, done.err) == (0, "")
    assert mark in done.out


def test_completion_for_no_shell_lists_the_shells(run_cli):
    done = run_cli("--show-completion", "tcsh")
    assert done.code == 2
    assert "'bash', 'zsh', 'fish'" in done.err


def completed(run_process, words):
    """What bash would offer after these words; the last one is unfinished."""
    done = run_process(
        env={
            "COMP_WORDS": " ".join(words),
            "COMP_CWORD": str(len(words) - 1),
            "_CORESET_COMPLETE": "complete_bash",
        }
    )
    assert (done.code, done.err) == (0, "")
    return done.out.split()


def test_commands_are_completed(run_process):
    assert completed(run_process, ["coreset", "se"]) == ["select"]


def test_methods_are_completed_from_the_folder(run_process):
    offered = completed(run_process, ["coreset", "select", "--method", "''"])
    assert offered == method_names()
    assert "k-center" in offered


def test_completing_loads_no_heavy_library():
    words = {"COMP_WORDS": "coreset select -m ", "COMP_CWORD": "3"}
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "coreset_cli"],
        env={**os.environ, **words, "_CORESET_COMPLETE": "complete_bash"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    loaded = {line.rpartition("|")[2].strip().partition(".")[0] for line in done.stderr.split("\n")}
    assert "coreset_cli" in loaded
    assert loaded & HEAVY == set()


def test_choices_are_completed(run_process):
    words = ["coreset", "select", "--balance", "e"]
    assert completed(run_process, words) == ["equal"]


def test_bash_accepts_the_script(run_process):
    """The script as bash runs it: `compgen`'s reply holds what the program printed."""
    script = run_process("--show-completion", "bash").out
    line = (
        f"{script}\ncoreset() {{ '{sys.executable}' -m coreset_cli \"$@\"; }}\n"
        "COMP_WORDS=(coreset ta); COMP_CWORD=1\n"
        f"COMPREPLY=( $( env COMP_WORDS='coreset ta' COMP_CWORD=1 _CORESET_COMPLETE=complete_bash "
        f"'{sys.executable}' -m coreset_cli ) )\n"
        "complete -p coreset; echo ${COMPREPLY[@]}"
    )
    done = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=300)
    assert done.stdout.splitlines() == [
        "complete -o default -F _coreset_completion coreset",
        "take",
    ]


def test_completion_installs_itself_for_the_shell_it_is_called_from(tmp_path):
    done = subprocess.run(
        ["bash", "-c", f"'{sys.executable}' -m coreset_cli --install-completion; exit $?"],
        env={**os.environ, "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    (script,) = (tmp_path / ".bash_completions").iterdir()
    assert "_coreset_completion coreset" in script.read_text()
    assert str(script) in (tmp_path / ".bashrc").read_text()
