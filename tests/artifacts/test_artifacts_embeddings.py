"""The same numbers, ids and labels are the same input in every format."""

import io
import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from coreset_cli.artifacts.embeddings import open_embeddings, require_finite, scan
from coreset_cli.artifacts.samples import require_labels
from coreset_cli.errors import IdMismatch, InvalidParameter, SchemaMismatch

N, D = 11, 3
VECTORS = np.random.default_rng(0).normal(size=(N, D)).astype(np.float32)
META = pa.table({"id": [f"s{i}" for i in range(N)], "label": pa.array([i % 3 for i in range(N)])})


def lists(kind, values=VECTORS):
    flat = pa.array(values.ravel())
    ends = np.arange(0, values.size + 1, values.shape[1])
    if kind == "list":
        return pa.ListArray.from_arrays(ends.astype(np.int32), flat)
    if kind == "large":
        return pa.LargeListArray.from_arrays(ends, flat)
    return pa.FixedSizeListArray.from_arrays(flat, values.shape[1])


def table(kind="fixed", values=VECTORS):
    return META.append_column("embedding", lists(kind, values))


def npy(folder):
    np.save(folder / "e.npy", VECTORS)
    pq.write_table(META, folder / "e.npy.meta.parquet")
    return folder / "e.npy"


def fortran(folder):
    np.save(folder / "e.npy", np.asfortranarray(VECTORS))
    pq.write_table(META, folder / "e.npy.meta.parquet")
    return folder / "e.npy"


def big_endian(folder):
    np.save(folder / "e.npy", VECTORS.astype(">f4"))
    pq.write_table(META, folder / "e.npy.meta.parquet")
    return folder / "e.npy"


def npz(folder):
    np.savez_compressed(folder / "e.npz", x=VECTORS)
    pq.write_table(META, folder / "e.parquet")
    return folder / "e.npz"


def npz_fortran(folder):
    np.savez(folder / "e.npz", x=np.asfortranarray(VECTORS))
    pq.write_table(META, folder / "e.npz.meta.parquet")
    return folder / "e.npz"


def npz_columns(folder):
    ids = np.array(META["id"].to_pylist())
    np.savez(folder / "e.npz", x=VECTORS, label=META["label"].to_numpy(), id=ids)
    return folder / "e.npz"


def safetensors(folder):
    save_file({"x": VECTORS}, folder / "e.safetensors")
    pq.write_table(META, folder / "e.safetensors.meta.parquet")
    return folder / "e.safetensors"


def parquet(kind):
    def write(folder):
        pq.write_table(table(kind), folder / "e.parquet", row_group_size=4)
        return folder / "e.parquet"

    write.__name__ = f"parquet_{kind}"
    return write


def tensors(folder):
    flat = pa.array(VECTORS.ravel())
    fixed = pa.FixedSizeListArray.from_arrays(flat, D)
    tensor = pa.ExtensionArray.from_storage(pa.fixed_shape_tensor(pa.float32(), [D]), fixed)
    pq.write_table(META.append_column("embedding", tensor), folder / "e.parquet")
    return folder / "e.parquet"


def arrow(folder):
    path = str(folder / "e.arrows")
    with pa.OSFile(path, "w") as sink, pa.ipc.new_stream(sink, table().schema) as writer:
        writer.write_table(table(), max_chunksize=4)
    return folder / "e.arrows"


def hugging_face(folder):
    (folder / "data").mkdir()
    for part, rows in enumerate([slice(0, 5), slice(5, N)]):
        name = f"train-{part:05}-of-00002.parquet"
        pq.write_table(table().slice(rows.start, rows.stop - rows.start), folder / "data" / name)
    return folder


def clip_retrieval(folder):
    (folder / "img_emb").mkdir()
    (folder / "metadata").mkdir()
    for part, rows in enumerate([slice(0, 5), slice(5, N)]):
        np.save(folder / "img_emb" / f"img_emb_{part}.npy", VECTORS[rows])
        meta = META.slice(rows.start, rows.stop - rows.start)
        pq.write_table(meta, folder / "metadata" / f"metadata_{part}.parquet")
    return folder


def clip_retrieval_vectors(folder):
    return clip_retrieval(folder) / "img_emb"


def npz_folder(folder):
    for part, rows in enumerate([slice(0, 5), slice(5, N)]):
        np.savez(folder / f"{part}.npz", x=VECTORS[rows])
        meta = META.slice(rows.start, rows.stop - rows.start)
        pq.write_table(meta, folder / f"{part}.parquet")
    return folder


FORMATS = [
    npy,
    fortran,
    big_endian,
    npz,
    npz_fortran,
    npz_columns,
    npz_folder,
    safetensors,
    parquet("list"),
    parquet("large"),
    parquet("fixed"),
    tensors,
    arrow,
    hugging_face,
    clip_retrieval,
    clip_retrieval_vectors,
]


def digest(data):
    return scan(data).record.content_digest


@pytest.mark.parametrize("write", FORMATS, ids=lambda write: write.__name__)
def test_every_format_is_the_same_input(tmp_path, write):
    (tmp_path / "plain").mkdir()
    (tmp_path / "other").mkdir()
    expected = open_embeddings([str(npy(tmp_path / "plain"))])
    data = open_embeddings([str(write(tmp_path / "other"))])
    assert (data.matrix.read(0, N) == VECTORS).all()
    assert data.matrix.dtype == np.float32
    assert list(data.ids.texts()) == META["id"].to_pylist()
    assert require_labels(data).texts().tolist() == [str(i % 3) for i in range(N)]
    assert digest(data) == digest(expected)
    assert data.warnings == ()


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int32]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=5),
        elements=st.integers(-9, 9),
    ),
    st.data(),
)
@settings(max_examples=25, deadline=None)
def test_the_digest_is_of_the_numbers_not_of_their_storage(tmp_path_factory, values, data):
    folder = tmp_path_factory.mktemp("digest")
    np.save(folder / "c.npy", values)
    np.save(folder / "f.npy", np.asfortranarray(values))
    np.save(folder / "b.npy", values.astype(values.dtype.newbyteorder(">")))
    pq.write_table(pa.table({"v": lists("list", values)}), folder / "p.parquet")
    whole = {
        name: digest(open_embeddings([str(folder / name)]))
        for name in ("c.npy", "f.npy", "b.npy", "p.parquet")
    }
    assert len(set(whole.values())) == 1
    changed = values.copy()
    row, place = (data.draw(st.integers(0, size - 1)) for size in values.shape)
    changed[row, place] += 1
    np.save(folder / "c.npy", changed)
    assert digest(open_embeddings([str(folder / "c.npy")])) != whole["c.npy"]


@pytest.mark.parametrize("column", ["id", "label"])
def test_the_digest_tells_one_id_and_one_label(tmp_path, column):
    path = tmp_path / "e.parquet"
    pq.write_table(table(), path)
    before = digest(open_embeddings([str(path)]))
    values = META[column].to_pylist()
    values[4] = "other" if column == "id" else 2
    other = table().set_column(META.schema.names.index(column), column, pa.array(values))
    pq.write_table(other, path)
    assert digest(open_embeddings([str(path)])) != before


@pytest.mark.parametrize("kind", ["list", "large", "fixed"])
def test_slices_of_arrow_arrays_are_read_from_their_offset(kind):
    sliced = table(kind).slice(3, 5)
    sink = io.BytesIO()
    with pa.ipc.new_stream(sink, sliced.schema) as writer:
        writer.write_table(sliced)
    from coreset_cli.io.vectors import open_arrow, vectors_of

    matrix, columns = open_arrow(pa.BufferReader(sink.getvalue()), "x", None)
    assert (matrix.read(0, 5) == VECTORS[3:8]).all()
    assert columns["id"].to_pylist() == META["id"].to_pylist()[3:8]
    assert (vectors_of(lists(kind).slice(3, 5), 0, "x") == VECTORS[3:8]).all()


STDIN = "import sys; from coreset_cli.artifacts.embeddings import open_embeddings, scan\n"
READ = STDIN + "print(scan(open_embeddings(['-'])).record.content_digest)"


@pytest.mark.parametrize("write", [npz_columns, parquet("list"), arrow], ids=lambda w: w.__name__)
@pytest.mark.parametrize("way", ["pipe", "file"])
def test_stdin_is_the_same_input(tmp_path, write, way):
    path = write(tmp_path)
    expected = digest(open_embeddings([str(path)]))
    with path.open("rb") as file:
        given = {"stdin": file} if way == "file" else {"input": path.read_bytes()}
        done = subprocess.run([sys.executable, "-c", READ], capture_output=True, **given)
    assert done.stdout.decode().strip() == expected, done.stderr


def test_a_pipe_with_a_name(tmp_path):
    import os
    import threading

    path = npz_columns(tmp_path)
    os.mkfifo(tmp_path / "pipe")
    writer = threading.Thread(
        target=lambda: (tmp_path / "pipe").write_bytes(path.read_bytes()), daemon=True
    )
    writer.start()
    data = open_embeddings([str(tmp_path / "pipe")])
    writer.join()
    assert digest(data) == digest(open_embeddings([str(path)]))


def test_a_terminal_at_stdin_is_an_error_at_once():
    import os
    import pty

    leader, follower = pty.openpty()
    done = subprocess.run(
        [sys.executable, "-m", "coreset_cli", "select", "-m", "random", "-k", "1", "-"],
        stdin=follower,
        capture_output=True,
        timeout=30,
    )
    os.close(leader)
    os.close(follower)
    assert done.returncode == 2
    assert b"stdin is a terminal" in done.stderr


def test_shards_are_read_in_lexicographic_order(tmp_path):
    for number in (1, 2, 10):
        np.save(tmp_path / f"e_{number}.npy", np.full((1, 2), number))
    data = open_embeddings([str(tmp_path)])
    assert data.matrix.read(0, 3)[:, 0].tolist() == [1, 10, 2]
    assert [name.rpartition("/")[2] for name in data.files] == ["e_1.npy", "e_10.npy", "e_2.npy"]
    assert "pad the numbers" in data.warnings[0]


def test_hidden_files_are_no_shards(tmp_path):
    np.save(tmp_path / "e.npy", VECTORS)
    (tmp_path / "._e.npy").write_bytes(b"junk")
    assert open_embeddings([str(tmp_path)]).matrix.n == N


def test_several_files_are_one_input(tmp_path):
    for name, part in (("a", slice(0, 4)), ("b", slice(4, N))):
        rows = table().slice(part.start, part.stop - part.start)
        pq.write_table(rows, tmp_path / f"{name}.parquet")
    data = open_embeddings([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])
    assert (data.matrix.read(0, N) == VECTORS).all()
    assert list(data.ids.texts()) == META["id"].to_pylist()
    assert data.path.endswith("a.parquet and 1 more")


def test_ids_in_one_of_two_files_are_not_lost_in_silence(tmp_path):
    pq.write_table(table(), tmp_path / "a.parquet")
    pq.write_table(table().drop_columns(["id"]), tmp_path / "b.parquet")
    both = [str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")]
    with pytest.raises(SchemaMismatch, match=r"b.parquet has no column 'id'"):
        open_embeddings(both)
    with pytest.raises(SchemaMismatch, match=r"b.parquet has no column 'id'"):
        open_embeddings(both[::-1])


def test_ids_of_two_types_do_not_mix(tmp_path):
    pq.write_table(table(), tmp_path / "a.parquet")
    other = table().set_column(0, "id", pa.array(range(N)))
    pq.write_table(other, tmp_path / "b.parquet")
    with pytest.raises(SchemaMismatch, match=r"b.parquet: column 'id' holds int64"):
        open_embeddings([str(tmp_path / "a.parquet"), str(tmp_path / "b.parquet")])


def test_ids_twice_over_two_files(tmp_path):
    pq.write_table(table(), tmp_path / "a.parquet")
    with pytest.raises(IdMismatch, match="rows 0 and 11"):
        open_embeddings([str(tmp_path / "a.parquet")] * 2)


def test_a_column_wins_over_a_file_and_a_dot_names_the_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    pq.write_table(table().rename_columns(["id", "y", "embedding"]), "e.parquet")
    (tmp_path / "y").write_text("".join(f"{i}\n" for i in range(N)))
    column = require_labels(open_embeddings(["e.parquet"], label="y"))
    file = require_labels(open_embeddings(["e.parquet"], label="./y"))
    assert len(column.names) == 3
    assert len(file.names) == N


def test_columns_by_name(tmp_path):
    two = table().append_column("text_emb", lists("fixed", VECTORS + 1))
    pq.write_table(two, tmp_path / "e.parquet")
    path = str(tmp_path / "e.parquet")
    assert open_embeddings([path]).matrix.read(0, 1)[0, 0] == VECTORS[0, 0]
    assert open_embeddings([path], column="text_emb").matrix.read(0, 1)[0, 0] == VECTORS[0, 0] + 1
    with pytest.raises(InvalidParameter, match="no column 'nope' for ids"):
        open_embeddings([path], ids="nope")


def test_scan_counts_what_cannot_be_used(tmp_path):
    bad = VECTORS.copy()
    bad[[2, 5], 1] = np.nan, np.inf
    bad[[7, 8]] = 0
    np.save(tmp_path / "e.npy", bad)
    data = open_embeddings([str(tmp_path / "e.npy")])
    found = scan(data)
    assert (found.bad_rows, found.bad_count, found.zero_rows) == ((2, 5), 2, 2)
    with pytest.raises(Exception, match="row 2 and 1 more rows hold NaN"):
        require_finite(data, found)


def test_real_files_are_read_as_their_libraries_read_them(real_data):
    folder = real_data / "embeddings"
    data = open_embeddings([str(folder / "banking77-model2vec-128.parquet")])
    column = pq.read_table(folder / "banking77-model2vec-128.parquet")
    vectors = np.stack([row.as_py() for row in column[data_column(column)][:50]])
    assert (data.matrix.read(0, 50) == vectors.astype(data.matrix.dtype)).all()
    assert (require_labels(data).texts() == column["label"].to_numpy().astype(str)).all()
    assert len(require_labels(data).names) == 77


def data_column(whole):
    return next(field.name for field in whole.schema if pa.types.is_nested(field.type))
