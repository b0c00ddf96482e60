import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.artifacts.labels import make_labels, read_label_file
from coreset_cli.errors import SchemaMismatch


@given(st.lists(st.integers(-50, 50), min_size=1))
def test_integers_are_classes_in_order_of_value(values):
    labels = make_labels(pa.array(values), "x")
    names, codes, counts = np.unique(values, return_inverse=True, return_counts=True)
    assert labels.names == tuple(map(str, names))
    assert (labels.codes == codes).all()
    assert (labels.counts() == counts).all()


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=4), min_size=1))
def test_texts_are_classes_in_order_of_their_bytes(values):
    labels = make_labels(pa.array(values, pa.string()), "x")
    assert labels.names == tuple(sorted(set(values), key=str.encode))
    assert [labels.names[code] for code in labels.codes] == values


@pytest.mark.parametrize(
    ("column", "names"),
    [
        (pa.array([True, False, True]), ("0", "1")),
        (pa.array([2.0, -1.0, 2.0]), ("-1", "2")),
        (pa.array([2, 10, 2], pa.uint8()), ("2", "10")),
        (pa.array(["b", "a", "b"]).dictionary_encode(), ("a", "b")),
        (pa.chunked_array([["b"], ["a"]]), ("a", "b")),
    ],
)
def test_what_counts_as_labels(column, names):
    assert make_labels(column, "x").names == names


@pytest.mark.parametrize("name", ["y.npy", "y.parquet", "one.parquet", "y.txt", "crlf.txt"])
def test_label_files(tmp_path, name):
    path = tmp_path / name
    if name == "y.npy":
        np.save(path, np.array([3, 1, 3], ">i2"))
    elif name == "y.parquet":
        pq.write_table(pa.table({"label": [3, 1, 3], "other": [0, 0, 0]}), path)
    elif name == "one.parquet":
        pq.write_table(pa.table({"worse_label": [3, 1, 3]}), path)
    else:
        path.write_bytes(b"3\r\n1\r\n3\r\n" if name == "crlf.txt" else b"\xef\xbb\xbf3\n1\n3\n")
    labels = make_labels(read_label_file(path), name)
    assert labels.names == ("1", "3")
    assert labels.codes.tolist() == [1, 0, 1]


def test_lines_that_are_not_all_numbers_are_texts(tmp_path):
    path = tmp_path / "y.txt"
    path.write_text("cat\n3\nline\u2028separator\n99999999999999999999\n")
    labels = make_labels(read_label_file(path), "y")
    assert len(labels) == 4
    assert "line\u2028separator" in labels.names


def test_several_columns_need_one_called_label(tmp_path):
    path = tmp_path / "y.parquet"
    pq.write_table(pa.table({"a": [1], "b": [2]}), path)
    with pytest.raises(SchemaMismatch, match="no column 'label' among a, b"):
        read_label_file(path)
