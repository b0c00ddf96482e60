"""What the documents say is true: lines run, tables are current, nothing is left out."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.core import TyperArgument, TyperOption

from coreset_cli.cli.app import build
from coreset_cli.commands.methods import markdown_table
from coreset_cli.commands.register import method_names

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = build().commands


def section(title):
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def shell_lines(text):
    """Lines of the bash blocks of a text, continued ones joined, comments left out."""
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [
        [line for line in block.replace("\\\n", " ").splitlines() if line and line[0] != "#"]
        for block in blocks
    ]


def test_the_quick_start_is_two_lines():
    main, tests = (line for block in shell_lines(section("Quick start")) for line in block)
    assert main == (
        "python3 -m venv .venv && .venv/bin/pip install -q . && "
        ".venv/bin/coreset select --method gm --ratio 0.1 digits:train"
    )
    assert tests.endswith(" && .venv/bin/python -m pytest")


def test_the_test_line_of_the_readme_is_the_one_that_ci_runs(tmp_path):
    done = subprocess.run(
        [ROOT / ".ci" / "run", "--dry-run"], cwd=tmp_path, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    (_, tests) = (line for block in shell_lines(section("Quick start")) for line in block)
    first, *checks = done.stdout.splitlines()
    assert first == tests
    assert [check.split("/")[-1] for check in checks] == [
        "ruff format --check",
        "ruff check",
        "mypy",
        "lint-imports",
    ]


def test_ci_names_no_place_of_one_machine():
    text = (ROOT / ".ci" / "run").read_text().partition("\n")[2]
    assert re.findall(r"https?:|(?<![\w.\"$}])/(?:work|tmp|home|root|usr|opt|mnt)\b", text) == []


def test_every_command_is_in_the_readme():
    missing = [name for name in COMMANDS if f"coreset {name}" not in README]
    assert missing == []


def test_every_method_is_in_the_readme():
    assert [name for name in method_names() if f"`{name}`" not in README] == []


def test_the_table_of_methods_is_current():
    assert markdown_table().strip() in README


def test_every_option_in_the_readme_exists():
    exist = {
        flag
        for command in [build(), *COMMANDS.values()]
        for parameter in command.params
        for flag in parameter.opts
    } | {"--help"}
    for script in (ROOT / "examples").glob("*.py"):
        exist |= set(re.findall(r'add_argument\("(--[a-z0-9-]+)"', script.read_text("utf-8")))
    written = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]+", README))
    assert written - exist == set()


PARAMETERS = [
    pytest.param(parameter, id=f"{name}-{parameter.name}")
    for name, command in COMMANDS.items()
    for parameter in command.params
]


@pytest.mark.parametrize("parameter", PARAMETERS)
def test_every_option_and_argument_has_help(parameter):
    assert isinstance(parameter, (TyperOption, TyperArgument))
    text = parameter.help or ""
    assert len(text.split()) >= 2
    assert re.search(r"[.\])]$", text), "a sentence ends with a full stop"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_says_what_it_does(name):
    assert len((COMMANDS[name].help or "").split()) >= 4


RUNNABLE = [
    block
    for block in shell_lines(README)
    if any(line.startswith("coreset ") for line in block)
    and not any("venv" in line or "--install-completion" in line for line in block)
]


@pytest.mark.parametrize("block", RUNNABLE, ids=range(len(RUNNABLE)))
def test_the_lines_of_the_readme_run(tmp_path, make_points, block):
    """Pasted one after another into a folder that has an `emb.npy`."""
    np.save(tmp_path / "emb.npy", make_points(1500, 8, 0))
    script = f"coreset() {{ '{sys.executable}' -m coreset_cli \"$@\"; }}\n" + "\n".join(block)
    done = subprocess.run(
        ["bash", "-eu", "-o", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr


def test_the_readme_has_lines_to_run():
    assert sum(len(block) for block in RUNNABLE) >= 5


def test_the_changelog_is_kept():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert text.startswith("# Changelog\n")
    assert "## [Unreleased]" in text
    for name in COMMANDS:
        assert f"`{name}`" in text
