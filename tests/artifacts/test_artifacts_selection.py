import json
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts.ids import make_ids, row_numbers
from coreset_cli.artifacts.manifest import InputRecord, Manifest
from coreset_cli.artifacts.selection import Selection, rows_in
from coreset_cli.artifacts.selection_file import format_of, read_selection, write_selection
from coreset_cli.errors import (
    ArtifactIncomplete,
    FileMissing,
    IdMismatch,
    InvalidParameter,
    SchemaMismatch,
    StaleParent,
)

N = 20
PICKED = np.array([7, 2, 19, 4])
UIDS = make_ids(pa.array([f"{(i * 0x9E3779B97F4A7C15) % 2**128:032x}" for i in range(N)]), "x")


def digest_of(ids):
    return sha256("".join(f"{text}\n" for text in ids.texts()).encode()).hexdigest()


def picked(ids, rows=PICKED, **columns):
    parent = InputRecord(
        path="emb.npy",
        files=("emb.npy",),
        rows=N,
        width=3,
        dtype="float32",
        content_digest="c",
        ids_digest=ids.digest(),
        row_number_ids=ids.is_row_number,
    )
    manifest = Manifest(
        command="select",
        parameters={"ratio": "0.2"},
        inputs=(parent,),
        seed=3,
        method="random",
        count=len(rows),
        selection_digest=digest_of(ids.take(rows)),
        warnings=("w",),
    )
    return Selection(
        rows=rows, ids=ids.take(rows), ranks=np.arange(len(rows)), manifest=manifest, **columns
    )


@pytest.mark.parametrize("ids", [row_numbers(N), UIDS], ids=["numbers", "uids"])
@pytest.mark.parametrize("form", ["txt", "npy", "json", "parquet"])
def test_what_is_written_is_read_back(tmp_path, form, ids):
    path = tmp_path / f"sel.{form}"
    selection = picked(ids)
    write_selection(path, selection, form)
    again = read_selection(path)
    assert (again.rows == PICKED).all()
    assert again.manifest == selection.manifest
    named = form == "parquet" or ids.is_row_number
    assert list(again.ids.texts()) == list((ids if named else row_numbers(N)).take(PICKED).texts())


def test_a_list_is_plain_for_other_tools(tmp_path):
    write_selection(tmp_path / "s.txt", picked(row_numbers(N)), "txt")
    write_selection(tmp_path / "s.npy", picked(row_numbers(N)), "npy")
    write_selection(tmp_path / "s.json", picked(row_numbers(N)), "json")
    assert (tmp_path / "s.txt").read_text() == "7\n2\n19\n4\n"
    assert np.load(tmp_path / "s.npy").dtype == np.int64
    assert np.load(tmp_path / "s.npy").tolist() == [7, 2, 19, 4]
    assert json.loads((tmp_path / "s.json").read_text())["rows"] == [7, 2, 19, 4]
    beside = json.loads((tmp_path / "s.npy.coreset.json").read_text())
    assert beside["selection_digest"] == sha256((tmp_path / "s.txt").read_bytes()).hexdigest()
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "s.json",
        "s.npy",
        "s.npy.coreset.json",
        "s.txt",
        "s.txt.coreset.json",
    ]


def test_the_columns_of_parquet(tmp_path):
    selection = picked(
        UIDS, weights=np.array([1.0, 2, 3, 4]), labels=np.array(["a", "b", "a", "b"])
    )
    write_selection(tmp_path / "s.parquet", selection, "parquet")
    table = pq.read_table(tmp_path / "s.parquet")
    assert table.schema.names == ["index", "id", "rank", "role", "weight", "score", "label"]
    assert [str(kind) for kind in table.schema.types[2:6]] == ["int32", "string", "float", "float"]
    assert table["index"].to_pylist() == PICKED.tolist()
    assert table["score"].null_count == 4
    again = read_selection(tmp_path / "s.parquet")
    assert again.weights.tolist() == [1, 2, 3, 4]
    assert again.labels.tolist() == ["a", "b", "a", "b"]
    assert again.scores is None
    assert again.roles.tolist() == ["core"] * 4


def test_a_mask_has_one_value_a_row(tmp_path):
    write_selection(tmp_path / "m.npy", picked(row_numbers(N)), "mask")
    mask = np.load(tmp_path / "m.npy")
    assert mask.dtype == bool
    assert np.flatnonzero(mask).tolist() == [2, 4, 7, 19]
    assert len(mask) == N
    assert read_selection(tmp_path / "m.npy").rows.tolist() == [2, 4, 7, 19]


def test_datacomp_is_sorted_words_of_uids(tmp_path):
    write_selection(tmp_path / "d.npy", picked(UIDS), "datacomp")
    words = np.load(tmp_path / "d.npy")
    assert words.dtype == np.dtype("u8,u8")
    expected = sorted(divmod(int(text, 16), 2**64) for text in UIDS.take(PICKED).texts())
    assert words.tolist() == expected
    with pytest.raises(SchemaMismatch, match="DataComp"):
        read_selection(tmp_path / "d.npy")


def test_datacomp_without_uids_leaves_nothing(tmp_path):
    with pytest.raises(SchemaMismatch, match="32 hexadecimal digits"):
        write_selection(tmp_path / "d.npy", picked(row_numbers(N)), "datacomp")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", ["txt", "npy", "json", "parquet"])
def test_sorted_by_index(tmp_path, form):
    path = tmp_path / f"s.{form}"
    write_selection(path, picked(row_numbers(N)).by_index(), form)
    again = read_selection(path)
    assert sorted(again.rows.tolist()) == [2, 4, 7, 19]
    if form == "parquet":  # which has ranks
        assert again.rows.tolist() == PICKED.tolist()


def test_formats_by_suffix_and_by_name(tmp_path):
    assert format_of(tmp_path / "a.NPY", None) == "npy"
    assert format_of(tmp_path / "a.npy", "mask") == "mask"
    for name, form in (("a.bin", None), ("a.npy", "csv")):
        with pytest.raises(InvalidParameter):
            format_of(tmp_path / name, form)


@pytest.mark.parametrize("form", ["txt", "npy", "json", "parquet"])
def test_rows_that_are_not_those_of_the_manifest_are_refused(tmp_path, form):
    path = tmp_path / f"s.{form}"
    selection = picked(row_numbers(N))
    other = np.array([8, 2, 19, 4])
    write_selection(path, replace(selection, rows=other, ids=row_numbers(N).take(other)), form)
    with pytest.raises(StaleParent, match="its manifest says"):
        read_selection(path)
    shorter = replace(
        selection, rows=PICKED[:3], ids=row_numbers(N).take(PICKED[:3]), ranks=np.arange(3)
    )
    write_selection(path, shorter, form)
    with pytest.raises(StaleParent, match="4 rows, 3 are there"):
        read_selection(path)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("s.txt", b"", "empty"),
        ("s.txt", b"\n", "lists no rows"),
        ("s.txt", b"1\ntwo\n3\n", "line 2 is 'two'"),
        ("s.txt", b"1\n99999999999999999999\n", "line 2"),
        ("s.txt", b"\xff\xfe", "text"),
        ("s.txt", b"4\n2\n4\n", "rows 0 and 2"),
        ("s.npy", b"1\n2\n", "not a NumPy file"),
        ("s.parquet", b"1\n2\n", "not the Parquet file"),
        ("s.parquet", b"PAR1PAR1", "damaged"),
        ("s.json", b"{", "no JSON"),
        ("s.json", b"[1, 2]", "an object was expected"),
        ("s.json", b"{}", "no rows"),
        ("s.json", b'{"rows": [1], "inputs": []}', "no manifest"),
        ("s.json", b'{"rows": [1], "inputs": [{"files": 3}]}', "no manifest"),
    ],
)
def test_files_that_are_no_selection(tmp_path, name, content, words):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises((SchemaMismatch, ArtifactIncomplete, IdMismatch), match=words) as caught:
        read_selection(path)
    assert name in str(caught.value)
    assert caught.value.exit_code == 3


@pytest.mark.parametrize("rows", [["a"], [1.5], [True], [[1]], "1", [2**70]])
def test_json_with_other_things_than_rows(tmp_path, rows):
    path = tmp_path / "s.json"
    write_selection(path, picked(row_numbers(N)), "json")
    path.write_text(json.dumps({**json.loads(path.read_text()), "rows": rows}))
    with pytest.raises(SchemaMismatch, match="row numbers"):
        read_selection(path)


@pytest.mark.parametrize("array", [np.ones(3), np.ones((3, 1), int), np.array([2**63], "u8")])
def test_arrays_that_are_no_selection(tmp_path, array):
    np.save(tmp_path / "s.npy", array)
    with pytest.raises(SchemaMismatch, match=r"s\.npy"):
        read_selection(tmp_path / "s.npy")


@pytest.mark.parametrize(
    "columns",
    [
        {"index": ["a"], "id": ["a"], "rank": [0]},
        {"index": [None], "id": ["a"], "rank": [0]},
        {"index": [0], "id": ["a"], "rank": ["0"]},
        {"index": [0], "id": ["a"], "rank": [0], "weight": ["heavy"]},
        {"index": [0], "id": ["a"]},
        {"index": pa.array([], pa.int64()), "id": pa.array([], pa.string()), "rank": pa.array([])},
    ],
)
def test_tables_that_are_no_selection(tmp_path, columns):
    pq.write_table(pa.table(columns), tmp_path / "s.parquet")
    with pytest.raises(SchemaMismatch, match=r"s\.parquet"):
        read_selection(tmp_path / "s.parquet")


@pytest.mark.parametrize("form", ["json", "parquet", "txt"])
def test_a_manifest_without_parents_is_none_of_a_selection(tmp_path, form):
    path = tmp_path / f"s.{form}"
    selection = picked(row_numbers(N))
    orphan = replace(selection, manifest=replace(selection.manifest, inputs=()))
    write_selection(path, orphan, form)
    with pytest.raises(SchemaMismatch, match="no inputs"):
        read_selection(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(FileMissing, match="no such file"):
        read_selection(tmp_path / "s.npy")
    with pytest.raises(FileMissing, match="folder"):
        read_selection(tmp_path)


def test_a_manifest_of_a_later_version_is_read(tmp_path):
    write_selection(tmp_path / "s.txt", picked(row_numbers(N)), "txt")
    beside = tmp_path / "s.txt.coreset.json"
    record = json.loads(beside.read_text())
    record["new"] = 1
    record["inputs"][0]["new"] = 1
    beside.write_text(json.dumps(record))
    assert read_selection(tmp_path / "s.txt").manifest == picked(row_numbers(N)).manifest


def join(selection, ids):
    return rows_in(selection, "sel", ids, "data", ids.digest())


def test_ids_find_their_rows_in_any_order():
    shuffled = UIDS.take(np.random.default_rng(0).permutation(N))
    rows, notes = join(picked(UIDS), shuffled)
    assert list(shuffled.take(rows).texts()) == list(UIDS.take(PICKED).texts())
    assert notes == ()


def test_row_numbers_need_the_same_rows():
    rows, notes = join(picked(row_numbers(N)), row_numbers(N))
    assert (rows.tolist(), notes) == (PICKED.tolist(), ())
    for other in (row_numbers(N + 1), UIDS):
        with pytest.raises(StaleParent, match="not the same samples"):
            join(picked(row_numbers(N)), other)


def test_integer_ids_are_no_row_numbers():
    ids = make_ids(pa.array(range(5, 5 + N)), "x")
    with pytest.raises(IdMismatch, match="row numbers are not ids"):
        join(picked(ids, rows=np.array([3, 1])), row_numbers(100))


def test_a_bare_list_is_taken_as_row_numbers_and_says_so(tmp_path):
    (tmp_path / "s.txt").write_text("3\n1\n")
    selection = read_selection(tmp_path / "s.txt")
    rows, notes = join(selection, UIDS)
    assert rows.tolist() == [3, 1]
    assert "no manifest" in notes[0]
    with pytest.raises(IdMismatch, match="row 3, data has 2 rows"):
        join(selection, row_numbers(2))


FULL = """
import resource, sys
from pathlib import Path
import numpy as np
from coreset_cli.artifacts.selection_file import read_selection, write_selection
from coreset_cli.errors import CoresetError
selection = read_selection(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
try:
    write_selection(Path(sys.argv[2]), selection, sys.argv[3])
except CoresetError as error:
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("form", ["txt", "npy", "json", "parquet", "mask"])
def test_a_full_disk_leaves_neither_list_nor_manifest(tmp_path, form):
    write_selection(tmp_path / "in.json", picked(row_numbers(N)), "json")
    (tmp_path / "out").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", FULL, tmp_path / "in.json", tmp_path / "out" / "s", form],
        capture_output=True,
    )
    assert done.returncode == 4, done.stderr
    assert list((tmp_path / "out").iterdir()) == []
