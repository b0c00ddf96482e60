import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts.faults import repeated_rows
from coreset_cli.artifacts.manifest import MANIFEST_KEY
from coreset_cli.io.matrix import Matrix, Shard

VECTORS = np.random.default_rng(0).normal(size=(8, 3)).astype(np.float32)


def write(path, vectors=VECTORS, **columns):
    table = pa.table({"embedding": pa.array(vectors.tolist(), pa.list_(pa.float32())), **columns})
    pq.write_table(table, path)
    return path


@pytest.fixture
def about(run_cli):
    """`coreset info --json`, as an object."""

    def call(path, *options):
        result = run_cli("info", path, "--json", *options)
        assert result.code == 0, result.err
        return json.loads(result.out)

    return call


def test_vectors(tmp_path, about, run_cli):
    path = write(tmp_path / "e.parquet", id=[f"s{i}" for i in range(8)], label=list("aabbbbcc"))
    found = about(path)
    assert (found["kind"], found["rows"], found["width"], found["dtype"]) == (
        "vectors",
        8,
        3,
        "float32",
    )
    assert found["ids"] == "text"
    assert found["classes"] == {"a": 2, "b": 4, "c": 2}
    assert found["columns"] == ["id", "label"]
    assert found["faults"] == []
    digest = json.loads(run_cli("select", "-m", "random", "-k", 1, path, "--json").out)["inputs"][0]
    assert found["content_digest"] == digest["content_digest"]
    assert found["ids_digest"] == digest["ids_digest"]
    assert run_cli("info", path, "--strict").code == 0


def test_a_table_for_a_person(tmp_path, run_cli):
    path = write(tmp_path / "e.parquet", label=list("aabbbbcc"))
    result = run_cli("info", path)
    shown = dict(line.split(maxsplit=1) for line in result.out.splitlines())
    assert shown["rows"] == "8"
    assert shown["width"] == "3 float32"
    assert shown["labels"] == "3 classes: a (2), b (4), c (2)"
    assert shown["faults"] == "none"
    assert result.err == ""


def broken():
    bad = VECTORS.copy()
    bad[1] = np.nan
    bad[[3, 4]] = 0
    bad[7] = bad[2]
    return bad


def test_every_fault_is_listed_and_none_is_raised(tmp_path, about, run_cli):
    ids = ["a", "b", "c", "b", "e", "f", "g", "h"]
    path = write(tmp_path / "e.parquet", broken(), id=ids, label=pa.array([0, None] * 4))
    faults = about(path)["faults"]
    assert [
        next(f for f in faults if words in f)
        for words in ("rows 1 and 3", "row 1 has no label", "1 rows hold NaN", "2 rows are all")
    ]
    (repeats,) = [fault for fault in faults if "repeat" in fault]
    assert repeats.startswith("2 rows")  # 4 is 3, 7 is 2
    assert "row 4" in repeats
    assert len(faults) == 5
    strict = run_cli("info", path, "--strict")
    assert strict.code == 3
    assert strict.out.count("fault ") == 5
    assert str(path) in strict.err


def test_misaligned_metadata_is_a_fault(tmp_path, about, run_cli):
    np.save(tmp_path / "e.npy", VECTORS)
    pq.write_table(pa.table({"id": range(7)}), tmp_path / "e.npy.meta.parquet")
    found = about(tmp_path / "e.npy")
    assert found["rows"] == 8
    assert found["ids"] == "row number"
    assert "7 rows" in found["faults"][0]
    assert run_cli("info", tmp_path / "e.npy", "--strict").code == 3


def test_labels_of_another_length_are_a_fault(tmp_path, about):
    np.save(tmp_path / "e.npy", VECTORS)
    np.save(tmp_path / "y.npy", np.zeros(7, int))
    found = about(tmp_path / "e.npy", "--label", tmp_path / "y.npy")
    assert "7 labels" in found["faults"][0]


@pytest.mark.parametrize("name", ["s.parquet", "s.npy", "s.txt", "s.json"])
def test_selections(tmp_path, about, run_cli, name):
    np.save(tmp_path / "e.npy", VECTORS)
    path = tmp_path / name
    made = run_cli("select", "-m", "random", "-k", 3, tmp_path / "e.npy", "-o", path)
    found = about(path)
    assert (found["kind"], found["rows"], found["faults"]) == ("selection", 3, [])
    assert found["manifest"]["selection_digest"] == made.digest
    assert found["manifest"]["method"] == "random"
    assert found["manifest"]["inputs"][0]["rows"] == 8
    shown = run_cli("info", path).out
    assert made.digest in shown
    assert "random" in shown


def test_a_selection_with_other_rows_than_its_manifest(tmp_path, about, run_cli):
    np.save(tmp_path / "e.npy", VECTORS)
    path = tmp_path / "s.txt"
    rows = run_cli("select", "-m", "random", "-k", 3, tmp_path / "e.npy", "-o", path)
    assert rows.code == 0
    path.write_text("6\n1\n0\n")
    assert "digest" in about(path)["faults"][0]
    path.write_text("6\n1\n")
    assert "2 are there" in about(path)["faults"][0]
    (tmp_path / "s.txt.coreset.json").unlink()
    assert "no manifest" in about(path)["faults"][0]
    assert run_cli("info", path, "--strict").code == 3


def test_any_file_with_a_manifest(tmp_path, about):
    footer = {MANIFEST_KEY: json.dumps({"command": "take", "inputs": []}).encode()}
    table = pa.table({"caption": ["x", "y"], "id": ["a", "b"]}).replace_schema_metadata(footer)
    pq.write_table(table, tmp_path / "t.parquet")
    found = about(tmp_path / "t.parquet")
    assert (found["kind"], found["rows"], found["ids"]) == ("table", 2, "text")
    assert found["manifest"]["command"] == "take"


def test_a_sidecar_is_a_manifest(tmp_path, about, run_cli):
    np.save(tmp_path / "e.npy", VECTORS)
    run_cli("select", "-m", "random", "-k", 3, tmp_path / "e.npy", "-o", tmp_path / "s.npy")
    found = about(tmp_path / "s.npy.coreset.json")
    assert (found["kind"], found["manifest"]["count"]) == ("manifest", 3)


def test_folders_digits_and_stdin(tmp_path, about, run_cli):
    for number in (2, 10):
        np.save(tmp_path / f"e_{number}.npy", VECTORS + number)
    assert about(tmp_path)["rows"] == 16
    assert "pad the numbers" in run_cli("info", tmp_path).err
    assert len(about("digits:test")["classes"]) == 10
    result = run_cli("info", "-", "--json", stdin=(tmp_path / "e_2.npy").read_bytes())
    assert json.loads(result.out)["rows"] == 8


@pytest.mark.parametrize(
    ("name", "content", "code"),
    [("none.npy", None, 2), ("e.npy", b"", 3), ("e.npy", b"text", 3), ("e.txt", b"text", 3)],
)
def test_what_cannot_be_read_at_all(tmp_path, run_cli, name, content, code):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    result = run_cli("info", tmp_path / name)
    assert result.code == code
    assert str(tmp_path / name) in result.err
    assert result.out == ""


def test_repeats_are_those_that_numpy_finds():
    rng = np.random.default_rng(0)
    array = rng.integers(0, 2, size=(300, 6)).astype(np.float32)
    array[array == 0] *= rng.choice([1, -1], size=(array == 0).sum())
    matrix = Matrix([Shard("a", array[:100]), Shard("b", array[100:])])
    _, first = np.unique(array + 0, axis=0, return_index=True)
    assert repeated_rows(matrix).tolist() == sorted(set(range(300)) - set(first.tolist()))


def test_rows_whose_hashes_meet_by_chance_are_no_repeats(monkeypatch):
    monkeypatch.setattr(
        "coreset_cli.artifacts.faults.hash_rows", lambda block: np.zeros(len(block), np.uint64)
    )
    array = np.array([[0.0], [1.0], [0.0], [2.0]])
    assert repeated_rows(Matrix([Shard("a", array)])).tolist() == [2]


def test_info_does_not_load_torch(tmp_path):
    import subprocess
    import sys

    np.save(tmp_path / "e.npy", VECTORS)
    script = (
        "import sys; from coreset_cli.cli.app import run; code = run(sys.argv[1:]); "
        "sys.exit(code or 9 * ('torch' in sys.modules or 'sklearn' in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script, "info", tmp_path / "e.npy"])
    assert done.returncode == 0


@pytest.mark.parametrize("name", ["sel.parquet", "sel.npy", "sel.json"])
def test_support_rows_are_counted(tmp_path, about, run_cli, name):
    np.save(tmp_path / "x.npy", np.random.default_rng(0).normal(size=(40, 3)).astype(np.float32))
    words = ("--set", "support=1", "-k", 10, tmp_path / "x.npy", "-o", tmp_path / name)
    assert run_cli("select", "-m", "echo", *words).code == 0
    which = "" if name.endswith("parquet") else " (only .parquet says which)"
    assert about(tmp_path / name)["facts"] == {"roles": f"5 core, 5 support{which}"}
    run_cli("select", "-m", "echo", "-f", *words[2:])
    assert about(tmp_path / name)["facts"] == {}
