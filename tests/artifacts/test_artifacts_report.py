import json
from dataclasses import replace

import pytest

from coreset_cli.artifacts.manifest import InputRecord
from coreset_cli.artifacts.report import (
    Cell,
    Gate,
    Interval,
    Report,
    Run,
    Share,
    Truth,
    read_report,
    write_report,
)
from coreset_cli.errors import ArtifactIncomplete, FileMissing, SchemaMismatch

RECORD = InputRecord(
    path="e.npy",
    files=("e.npy",),
    rows=9,
    width=2,
    dtype="float32",
    content_digest="c",
    ids_digest="i",
    row_number_ids=True,
)

RUN = Run(
    seed=(0, 1),
    accuracy=0.5,
    cost=0.01,
    converged=True,
    selecting_seconds=None,
    training_seconds=1.5,
    cached=False,
    selection_digest="d",
)

CELL = Cell(
    name="gm",
    kind="method",
    k=3,
    share=1 / 3,
    balance="none",
    runs=(RUN,),
    accuracy=0.5,
    accuracy_interval=Interval(0.4, 0.6),
    gain=0.1,
    gain_interval=None,
    relative=None,
    worst_class="ä",
    worst_accuracy=0.0,
    truth=Truth(corrupted=Share(0.1, 0.2), by_type={"blur": Share(0.0, 0.1)}),
    to_clean_mean=0.5,
    to_median=0.25,
)

REPORT = Report(
    train=RECORD,
    test=RECORD,
    model="linear",
    recipe={"name": "linear", "costs": [0.1, 1.0]},
    parameters={"methods": {"gm": {"match": "l2"}}, "label": None},
    proxy_data="not stated",
    seed=0,
    resamples=2000,
    cells=(CELL,),
    fidelity={"gm": 0.9},
    gates=(Gate(measure="accuracy", threshold=0.4, value=0.5, passed=True, message="m"),),
    warnings=("w",),
    device="cpu",
    seconds=2.0,
)


def test_report_comes_back_as_it_was(tmp_path):
    path = tmp_path / "r.json"
    write_report(path, REPORT)
    assert read_report(path) == REPORT
    assert [p.name for p in tmp_path.iterdir()] == ["r.json"]


def test_json_is_plain_and_one_object():
    record = json.loads(REPORT.to_json())
    assert record["schema"] == 1
    assert record["cells"][0]["truth"]["by_type"] == {"blur": {"kept": 0.0, "base": 0.1}}
    assert record["cells"][0]["gain_interval"] is None
    assert record["train"]["content_digest"] == "c"


@pytest.mark.parametrize(
    ("text", "error"),
    [("{", ArtifactIncomplete), ("[]", SchemaMismatch), ('{"rows": [1]}', SchemaMismatch)],
)
def test_what_is_no_report_is_refused_by_name(tmp_path, text, error):
    path = tmp_path / "r.json"
    path.write_text(text)
    with pytest.raises(error, match=r"r\.json"):
        read_report(path)
    with pytest.raises(FileMissing):
        read_report(tmp_path / "other.json")


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [(None, False), (Interval(-0.1, 0.2), True), (Interval(-0.2, -0.1), True),
     (Interval(0.01, 0.2), False)],
)  # fmt: skip
def test_gain_whose_interval_holds_zero_is_no_gain(interval, verdict):
    assert replace(CELL, gain_interval=interval).no_better_than_random is verdict
