import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from coreset_cli.artifacts.columns import columns_in_memory, find_labels
from coreset_cli.errors import IdMismatch, InvalidParameter, SchemaMismatch

COLUMNS = columns_in_memory(pa.table({"label": [0, 1, 2], "other": [5, 5, 6]}))


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"clean": [0, 1, 2], "noisy": ["b", "b", "a"]}), path)
    return path


def test_a_file_of_several_columns_names_one(table):
    assert find_labels(COLUMNS, 3, f"{table}:noisy", "data").names == ("a", "b")
    assert find_labels(COLUMNS, 3, f"{table}:noisy", "data").codes.tolist() == [1, 1, 0]
    with pytest.raises(SchemaMismatch, match=r"labels\.parquet:clean"):
        find_labels(COLUMNS, 3, str(table), "data")


def test_a_file_whose_name_has_a_colon_is_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a:b").write_text("7\n8\n7\n")
    (tmp_path / "a").write_text("1\n2\n3\n")
    assert find_labels(COLUMNS, 3, "a:b", "data").names == ("7", "8")


def test_a_column_wins_over_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "other").write_text("7\n8\n9\n")
    assert find_labels(COLUMNS, 3, "other", "data").names == ("5", "6")
    assert find_labels(COLUMNS, 3, "./other", "data").names == ("7", "8", "9")


def test_columns_that_a_file_does_not_have(table, tmp_path):
    with pytest.raises(InvalidParameter, match="no column 'worse' for labels; it has clean, noisy"):
        find_labels(COLUMNS, 3, f"{table}:worse", "data")
    np.save(tmp_path / "y.npy", np.arange(3))
    with pytest.raises(InvalidParameter, match="no columns"):
        find_labels(COLUMNS, 3, f"{tmp_path / 'y.npy'}:x", "data")
    with pytest.raises(InvalidParameter, match="no column of data and no file"):
        find_labels(COLUMNS, 3, f"{tmp_path / 'none.parquet'}:x", "data")
    with pytest.raises(InvalidParameter, match="no column of data and no file"):
        find_labels(COLUMNS, 3, ":x", "data")


def test_a_column_of_a_file_with_other_rows(table):
    with pytest.raises(IdMismatch, match="3 labels, data has 4 rows"):
        find_labels(COLUMNS, 4, f"{table}:noisy", "data")


def test_human_labels_of_cifar(real_data):
    path = real_data / "cifar10n" / "labels.parquet"
    found = find_labels(COLUMNS, 50_000, f"{path}:worse_label", "data")
    clean = pq.read_table(path)["clean_label"].to_numpy()
    assert round(float((found.codes != clean).mean()), 4) == 0.4021
