import re

import pytest

from coreset_cli.cli.evaluate_table import _rich

HEAD = ["cell", "rows", "accuracy", "95 %", "best epoch", "of full", "worst class", "train s"]
BODY = [["full", "1,346", "98.4", "97.1 to 99.3", "98.4", "100.0", "87.5 (8)", "18.3"]]


@pytest.mark.parametrize("width", range(40, 110, 3))
def test_no_column_is_cut_whatever_the_terminal(monkeypatch, width):
    monkeypatch.setenv("COLUMNS", str(width))
    lines = [re.sub(r"\x1b\[[0-9;]*m", "", line) for line in _rich(HEAD, BODY)]
    assert all(len(line) <= width for line in lines)
    text = "\n".join(lines)
    assert "…" not in text
    assert all(word in text for word in (*HEAD, *BODY[0]))
