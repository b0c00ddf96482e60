"""Bad input ends with exit code 3 and one line naming file, row and remedy; no traceback."""

import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import save_file

VECTORS = np.arange(24, dtype=np.float32).reshape(6, 4)


@pytest.fixture
def refused(run_cli):
    """Select from a file and demand an exit code and words in the one line of the error."""

    def check(path, *words, code=3, options=(), stdin=None):
        result = run_cli("select", "-m", "random", "-k", 1, path, *options, stdin=stdin)
        lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert result.code == code, result.err
        assert result.out == ""
        assert len(lines) == 1
        assert "Traceback" not in result.err
        for word in words:
            assert str(word) in lines[0]

    return check


def with_value(value, dtype=np.float32):
    vectors = VECTORS.astype(dtype)
    vectors[4, 2] = value
    return vectors


def write_lists(path, lists, kind, **columns):
    pq.write_table(pa.table({"embedding": pa.array(lists, kind), **columns}), path)


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(np.nan, "f4"), (np.inf, "f4"), (-np.inf, "f2"), (1e300, "f8"), (np.nan, ">f4")],
)
def test_values_that_cannot_be_used_name_their_row(tmp_path, refused, value, dtype):
    path = tmp_path / "emb.npy"
    np.save(path, with_value(value, dtype))
    refused(path, path, "row 4", "drop")


def test_nan_in_the_second_shard_names_that_file_and_its_own_row(tmp_path, refused):
    np.save(tmp_path / "a_0.npy", VECTORS)
    np.save(tmp_path / "a_1.npy", with_value(np.nan))
    refused(tmp_path, tmp_path / "a_1.npy", "row 4")


def test_nan_in_parquet_names_its_row(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    write_lists(path, with_value(np.nan).tolist(), pa.list_(pa.float32()))
    refused(path, path, "row 4")


@pytest.mark.parametrize("kept", [1, 5, 9, 60, 127, 130, 223])
def test_truncated_npy(tmp_path, refused, kept):
    whole = io.BytesIO()
    np.save(whole, VECTORS)
    path = tmp_path / "emb.npy"
    path.write_bytes(whole.getvalue()[:kept])
    refused(path, path)


def test_truncated_npy_says_so(tmp_path, refused):
    path = tmp_path / "emb.npy"
    np.save(path, VECTORS)
    path.write_bytes(path.read_bytes()[:-1])
    refused(path, path, "truncated", "96 bytes", "95 are there", "write it again")


def test_pickled_npy_is_never_loaded(tmp_path, refused):
    path = tmp_path / "emb.npy"
    np.save(path, np.array([[1, "a"]], object), allow_pickle=True)
    refused(path, path, "pickled", "save a plain array")


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.arange(5.0), "two-dimensional"),
        (np.zeros((2, 2, 2)), "two-dimensional"),
        (np.float32(3), "two-dimensional"),
        (np.zeros((0, 4)), "(0, 4)"),
        (np.zeros((4, 0)), "(4, 0)"),
        (np.zeros((3, 2), complex), "numbers"),
        (np.array([["a", "b"]]), "numbers"),
        (np.zeros((3, 2), "datetime64[s]"), "numbers"),
        (np.zeros((3, 2), "f4,f4"), "numbers"),
    ],
)
def test_arrays_that_are_no_vectors(tmp_path, refused, array, words):
    path = tmp_path / "emb.npy"
    np.save(path, array)
    refused(path, path, words)


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-6, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 1000000000000), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (6, ",
        "{'descr': 'zz', 'fortran_order': False, 'shape': (6, 4), }",
        "(((((((((((((((((((((",
        "",
    ],
)
def test_headers_that_lie(tmp_path, refused, header):
    path = tmp_path / "emb.npy"
    text = header.encode() + b"\n"
    path.write_bytes(
        b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + VECTORS.tobytes()
    )
    refused(path, path)


def test_ragged_vectors(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    write_lists(path, [[1, 2], [3, 4], [5]], pa.list_(pa.float32()))
    refused(path, path, "row 2", "1 values", "one width")


def test_ragged_between_row_groups(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    with pq.ParquetWriter(path, pa.schema([("embedding", pa.list_(pa.float32()))])) as writer:
        for rows in ([[1, 2]], [[1, 2, 3]]):
            writer.write_table(pa.table({"embedding": pa.array(rows, pa.list_(pa.float32()))}))
    refused(path, path, "row 1", "3 values")


@pytest.mark.parametrize("kind", [pa.list_(pa.float32()), pa.list_(pa.float32(), 2)])
@pytest.mark.parametrize("bad", [None, [3.0, None]])
def test_null_vectors(tmp_path, refused, kind, bad):
    path = tmp_path / "emb.parquet"
    write_lists(path, [[1, 2], [3, 4], bad], kind)
    refused(path, path, "row 2", "null", "drop")


def test_empty_vectors(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    write_lists(path, [[], []], pa.list_(pa.float32()))
    refused(path, path, "row 0", "empty")


def test_parquet_without_rows(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    write_lists(path, [], pa.list_(pa.float32()))
    refused(path, path, "no rows")


def test_parquet_without_vectors(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    pq.write_table(pa.table({"caption": ["a"]}), path)
    refused(path, path, "caption")


def test_a_column_that_is_not_there(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    write_lists(path, [[1, 2]], pa.list_(pa.float32()), id=["a"])
    refused(path, path, "'vec'", "embedding", code=2, options=["--column", "vec"])
    refused(path, path, "'id'", options=["--column", "id"])


@pytest.mark.parametrize("labels", [5, 7])
def test_labels_of_another_length(tmp_path, refused, labels):
    path, file = tmp_path / "emb.npy", tmp_path / "y.npy"
    np.save(path, VECTORS)
    np.save(file, np.zeros(labels, int))
    refused(path, file, f"{labels} labels", "6 rows", options=["--label", file])


@pytest.mark.parametrize(
    ("labels", "words"),
    [
        (pa.array([0, 1, None, 0, 1, 1]), ["row 2", "null"]),
        (pa.array([0, 1, 0.5, 0, 1, 1]), ["row 2", "0.5"]),
        (pa.array([0, 1, float("nan"), 0, 1, 1]), ["row 2", "nan"]),
        (pa.array([0.0, 1e300, 0, 0, 1, 1]), ["row 1", "whole numbers"]),
        (pa.array([b"a"] * 6), ["binary"]),
        (pa.nulls(6), ["row 0", "null"]),
    ],
)
def test_labels_that_are_none(tmp_path, refused, labels, words):
    path, file = tmp_path / "emb.npy", tmp_path / "y.parquet"
    np.save(path, VECTORS)
    pq.write_table(pa.table({"label": labels}), file)
    refused(path, file, *words, options=["--label", file])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty"]),
        (b"a\n\nb\nc\nd\ne\n", ["row 1", "no label"]),
        (b"\x89PNG\xff\xfe", ["not text"]),
    ],
)
def test_label_files_of_text(tmp_path, refused, content, words):
    path, file = tmp_path / "emb.npy", tmp_path / "y.txt"
    np.save(path, VECTORS)
    file.write_bytes(content)
    refused(path, file, *words, options=["--label", file])


def test_labels_that_are_nowhere(tmp_path, refused):
    path = tmp_path / "emb.npy"
    np.save(path, VECTORS)
    refused(path, "--label nowhere", code=2, options=["--label", "nowhere"])
    refused(path, tmp_path, "folder", code=2, options=["--label", tmp_path])


@pytest.mark.parametrize("array", [np.zeros((6, 1)), np.zeros(6, complex), np.zeros(6, "f4,f4")])
def test_label_arrays_that_are_none(tmp_path, refused, array):
    path, file = tmp_path / "emb.npy", tmp_path / "y.npy"
    np.save(path, VECTORS)
    np.save(file, array)
    refused(path, file, options=["--label", file])


@pytest.mark.parametrize(
    ("ids", "words"),
    [
        (["a", "b", "c", "b", "e", "f"], ["rows 1 and 3", "'b'", "--id"]),
        ([1, 2, 3, 2, 5, 6], ["rows 1 and 3", "2", "--id"]),
        (["a", "b\nc", "d", "e", "f", "g"], ["row 1", "line break"]),
        (["a", None, "d", "e", "f", "g"], ["row 1", "null"]),
        ([0.5, 1, 2, 3, 4, 5], ["double", "--id"]),
    ],
)
def test_ids_that_name_no_row(tmp_path, refused, ids, words):
    path = tmp_path / "emb.parquet"
    write_lists(path, VECTORS.tolist(), pa.list_(pa.float32()), id=pa.array(ids))
    refused(path, path, *words)


def test_ids_that_are_not_utf8(tmp_path, refused):
    path = tmp_path / "emb.parquet"
    bad = pa.array([b"a", b"\xff", b"c", b"d", b"e", b"f"]).view(pa.string())
    write_lists(path, VECTORS.tolist(), pa.list_(pa.float32()), id=bad)
    refused(path, path, "'id'")


@pytest.mark.parametrize("rows", [5, 7])
def test_metadata_of_another_length(tmp_path, refused, rows):
    path, meta = tmp_path / "emb.npy", tmp_path / "emb.npy.meta.parquet"
    np.save(path, VECTORS)
    pq.write_table(pa.table({"id": range(rows)}), meta)
    refused(path, meta, f"{rows} rows", "has 6", "again")


def test_metadata_for_one_shard_only(tmp_path, refused):
    for name in ("a_0.npy", "a_1.npy"):
        np.save(tmp_path / name, VECTORS)
    pq.write_table(pa.table({"id": range(6)}), tmp_path / "a_0.npy.meta.parquet")
    refused(tmp_path, tmp_path / "a_1.npy", "no column 'id'")


def test_shards_without_their_metadata(tmp_path, refused):
    (tmp_path / "img_emb").mkdir()
    (tmp_path / "metadata").mkdir()
    for number in (0, 1):
        np.save(tmp_path / "img_emb" / f"img_emb_{number}.npy", VECTORS)
    pq.write_table(pa.table({"key": range(6)}), tmp_path / "metadata" / "metadata_0.parquet")
    refused(tmp_path, tmp_path / "metadata", "img_emb_1.npy", "again")


def test_shards_of_two_widths(tmp_path, refused):
    np.save(tmp_path / "a.npy", VECTORS)
    np.save(tmp_path / "b.npy", VECTORS[:, :3])
    refused(tmp_path, tmp_path / "b.npy", "width 3", "width 4", "one encoder")


@pytest.mark.parametrize("suffix", ["npy", "npz", "parquet", "safetensors", "arrows", "bin"])
def test_an_empty_file(tmp_path, refused, suffix):
    path = tmp_path / f"emb.{suffix}"
    path.touch()
    refused(path, path, "empty", "again")


@pytest.mark.parametrize("suffix", ["npy", "npz", "parquet", "safetensors", "arrows", "bin"])
def test_a_file_that_is_something_else(tmp_path, refused, suffix):
    path = tmp_path / f"emb.{suffix}"
    path.write_text("id,vector\n0,1\n1,2\n")
    refused(path, path, ".npy, .npz, .parquet, .safetensors")


def test_a_file_that_is_of_another_kind_than_its_suffix(tmp_path, refused):
    np.save(tmp_path / "emb.npy", VECTORS)
    path = (tmp_path / "emb.npy").rename(tmp_path / "emb.parquet")
    refused(path, path, "is npy", "parquet its suffix says", "rename it")


def test_what_is_no_file(tmp_path, refused):
    refused(tmp_path / "none.npy", "no such file", tmp_path / "none.npy", code=2)
    refused(tmp_path, tmp_path, "no .npy", code=2)
    refused("x" * 5000, "name too long", code=2)
    (tmp_path / "loop.npy").symlink_to(tmp_path / "loop.npy")
    refused(tmp_path / "loop.npy", tmp_path / "loop.npy", code=2)
    np.save(tmp_path / "emb.npy", VECTORS)
    refused(tmp_path / "emb.npy" / "deeper", "emb.npy", code=2)
    (tmp_path / "folder.npy").mkdir()
    refused(tmp_path / "folder.npy", "folder.npy has no .npy", code=2)


def test_archives_without_one_array_of_vectors(tmp_path, refused):
    path = tmp_path / "emb.npz"
    np.savez(path, a=VECTORS, b=VECTORS)
    refused(path, path, "--column", "'a'", "'b'", code=2)
    refused(path, path, "'c'", code=2, options=["--column", "c"])
    np.savez(path, a=np.zeros(3))
    refused(path, path, "'a' [3]")
    np.savez(path, a=VECTORS, allow_pickle=True, b=np.array([[None]], object))
    refused(path, path, "pickled", options=["--column", "b"])


def test_tensors_without_one_of_vectors(tmp_path, refused):
    path = tmp_path / "emb.safetensors"
    save_file({"a": VECTORS, "b": VECTORS}, path)
    refused(path, path, "--column", code=2)
    refused(path, path, "'c'", code=2, options=["--column", "c"])
    save_file({"a": np.zeros(3, np.float32)}, path)
    refused(path, path, "'a' [3]")


def test_a_tensor_that_numpy_has_no_type_for(tmp_path, refused):
    torch = pytest.importorskip("torch")
    from safetensors.torch import save_file as save_torch

    path = tmp_path / "emb.safetensors"
    save_torch({"a": torch.zeros(3, 2, dtype=torch.bfloat16)}, path)
    refused(path, path, "BF16", "float16 or float32")


def test_an_arrow_file_is_no_stream(tmp_path, refused):
    path = tmp_path / "emb.feather"
    table = pa.table({"embedding": pa.array(VECTORS.tolist(), pa.list_(pa.float32()))})
    with pa.OSFile(str(path), "w") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table)
    refused(path, path, "stream", "Parquet")


@pytest.mark.parametrize("content", [b"", b"hello", b"\x93NUMPY\x01\x00"])
def test_bad_stdin_is_called_stdin(refused, content):
    refused("-", "stdin", stdin=content)


def test_a_broken_arrow_stream(refused):
    table = pa.table({"embedding": pa.array(VECTORS.tolist(), pa.list_(pa.float32()))})
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    refused("-", "stdin", "truncated", stdin=sink.getvalue()[:-40])


def test_unpadded_shard_names_are_a_warning(tmp_path, run_cli):
    for number in (2, 10):
        np.save(tmp_path / f"emb_{number}.npy", VECTORS + number)
    result = run_cli("select", "-m", "random", "-k", 12, tmp_path)
    assert len(result.rows) == 12
    assert "warning:" in result.err
    assert "emb_10.npy, emb_2.npy" in result.err


def test_split_names_read_as_one_are_a_warning(tmp_path, run_cli):
    (tmp_path / "data").mkdir()
    for split in ("train", "test"):
        write_lists(
            tmp_path / "data" / f"{split}-00000-of-00001.parquet",
            VECTORS.tolist(),
            pa.list_(pa.float32()),
        )
    result = run_cli("select", "-m", "random", "-k", 12, tmp_path)
    assert len(result.rows) == 12
    assert "test, train" in result.err


@pytest.mark.parametrize(
    "array",
    [
        VECTORS.astype(">f4"),
        VECTORS.astype(">f8"),
        np.asfortranarray(VECTORS),
        np.asfortranarray(VECTORS.astype(">f8")),
        VECTORS.astype(np.int16),
        VECTORS.astype(np.uint8),
        VECTORS.astype(np.float16),
        VECTORS.astype(np.longdouble),
    ],
)
def test_the_picks_do_not_depend_on_how_numbers_are_stored(tmp_path, run_cli, array):
    np.save(tmp_path / "plain.npy", VECTORS)
    np.save(tmp_path / "emb.npy", array)
    expected = run_cli("select", "-m", "k-center", "-k", 4, tmp_path / "plain.npy").rows
    assert run_cli("select", "-m", "k-center", "-k", 4, tmp_path / "emb.npy").rows == expected


@pytest.mark.parametrize("array", [np.ones((1, 3)), np.ones((5, 3)), np.zeros((5, 1), bool)])
@pytest.mark.parametrize("method", ["random", "k-center", "herding", "gm", "moderate"])
def test_one_row_and_equal_rows(tmp_path, run_cli, array, method):
    np.save(tmp_path / "emb.npy", array)
    rows = run_cli("select", "-m", method, "-k", len(array), tmp_path / "emb.npy").rows
    assert sorted(rows) == list(range(len(array)))
