import json

import pytest

from coreset_cli.commands.methods import all_cards, card_of, markdown_table
from coreset_cli.commands.register import method_names


def test_a_card_is_read_from_the_file():
    card = card_of("gm")
    assert card.summary.startswith("Geometric Median Matching: pick rows")
    assert card.needs == ("embeddings",)
    assert (card.exact, card.prefix, card.order) == (True, True, "O(k n d + T gamma n d)")
    assert card.source.startswith("Acharya, Sanghavi")
    assert card.deviates.startswith("rows are picked without replacement")
    gamma = next(p for p in card.parameters if p.name == "gamma")
    assert (gamma.type, gamma.default) == ("float", 1.0)
    assert gamma.meaning == "share of the rows, in (0, 1], that the median is computed on."
    batches = next(p for p in card.parameters if p.name == "batches")
    assert batches.meaning.endswith("prefixes are not smaller selections.")  # its second line


def test_a_method_without_parameters_or_vectors():
    card = card_of("random")
    assert (card.needs, card.parameters, card.exact, card.deviates) == ((), (), True, "")


def test_every_order_is_short():
    assert all(card.order.startswith("O(") and len(card.order) < 30 for card in all_cards())


def test_markdown_table_has_a_row_a_method():
    head, rule, *rows = markdown_table().splitlines()
    assert head.count("|") == rule.count("|")
    assert [row.split("|")[1].strip(" `") for row in rows] == method_names()
    assert all(row.count("|") == head.count("|") for row in rows)


def test_the_list_in_a_pipe_is_one_line_a_method_with_tabs(run_cli):
    found = run_cli("methods")
    rows = [line.split("\t") for line in found.out.splitlines()]
    assert rows[0][0] == "name"
    assert [row[0] for row in rows[1:]] == method_names()
    assert {len(row) for row in rows} == {6}
    assert (found.code, found.err) == (0, "")


def test_the_list_as_json(run_cli):
    record = json.loads(run_cli("methods", "--json").out)
    assert [card["name"] for card in record["methods"]] == method_names()


@pytest.mark.parametrize("name", ["k-center", "k_center"])
def test_one_card(run_cli, name):
    out = run_cli("methods", name).out
    for told in ("k-center\n", "Gonzalez", "--set metric=euclidean  (euclidean | cosine)", "first"):
        assert told in out
    record = json.loads(run_cli("methods", name, "--json").out)
    assert record["name"] == "k-center"
    assert record["parameters"][1]["default"] == "center"


def test_an_unknown_name_is_a_usage_error(run_cli):
    found = run_cli("methods", "herdng")
    assert (found.code, found.out) == (2, "")
    assert "did you mean herding" in found.err


@pytest.mark.parametrize("width", [60, 80, 120])
@pytest.mark.parametrize("name", [[], ["gm"]])
def test_on_a_terminal_lines_fit(run_cli, monkeypatch, width, name):
    from coreset_cli.cli import methods

    monkeypatch.setattr(methods, "_terminal_width", lambda: width)
    found = run_cli("methods", *name)
    assert max(map(len, found.out.splitlines())) <= width
    assert "\t" not in found.out
    assert "geometric" in found.out
    assert "…" not in found.out
