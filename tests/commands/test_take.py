"""`take` through the command line: every kind of data, every output, every refusal.

What is right is known without our code: tables made here, files written here, `Table.take`.
"""

import csv
import hashlib
import io
import json
import tarfile

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

IDS = ["cat/b.png", "dog/x/c.jpg", "cat/é.png"]


@pytest.fixture
def pick(tmp_path):
    """Write a selection of ids, with whatever else it says of them."""

    def write(ids, name="sel.parquet", **columns):
        table = pa.table(
            {"index": range(len(ids)), "id": ids, "rank": pa.array(range(len(ids)), pa.int32())}
            | columns
        )
        pq.write_table(table, tmp_path / name)
        return tmp_path / name

    return write


@pytest.fixture
def rows(tmp_path):
    """A Parquet file of images with text ids, in several row groups."""
    table = pa.table(
        {
            "uid": [f"u{i}" for i in range(50)],
            "image": [{"bytes": bytes([i]) * i, "path": f"{i}.png"} for i in range(50)],
            "label": pa.array(np.arange(50) % 4, pa.int8()),
        }
    ).replace_schema_metadata({"huggingface": "kept", "coreset": "of another command"})
    pq.write_table(table, tmp_path / "rows.parquet", row_group_size=7)
    return tmp_path / "rows.parquet", table


@pytest.fixture
def tree(tmp_path):
    root = tmp_path / "tree"
    for name in [*IDS, "dog/a.png"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(f"bytes of {name}".encode())
    return root


def make_tar(path, members):
    with tarfile.open(path, "w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name)
            entry.size, entry.mtime = len(data), 1_700_000_000
            archive.addfile(entry, io.BytesIO(data))
    return path


@pytest.fixture
def shards(tmp_path):
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(2):
        members = []
        for key in range(5):
            name = f"d/{shard}{key}"
            members += [(f"{name}.JPG", bytes([key]) * (100 + key)), (f"{name}.cls", b" 7\n")]
            members += [(f"{name}.seg.png", b"mask"), (f"{name}.json", b'{"k": "\xc3\xa9"}')]
        make_tar(folder / f"{shard:05}.tar", members)
    return folder


def read_tar(path):
    with tarfile.open(path) as archive:
        return {m.name: archive.extractfile(m).read() for m in archive.getmembers()}


def test_rows_come_in_rank_order_with_every_column_in_its_type(run_cli, pick, rows, tmp_path):
    path, table = rows
    order = [33, 2, 49, 0, 8]
    weights = pa.array([0.5, 1.0, 2.0, 4.0, 0.25])
    sel = pick([f"u{i}" for i in order], weight=weights)
    done = run_cli("take", sel, path, "-o", tmp_path / "out.parquet")
    assert (done.code, done.out) == (0, "")
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.select(table.column_names).equals(table.take(order))
    assert out.schema.names == [*table.column_names, "rank", "weight"]
    assert out["rank"].equals(pa.chunked_array([pa.array(range(5), pa.int32())]))
    assert out["weight"].equals(pa.chunked_array([weights.cast(pa.float32())]))
    assert out.schema.metadata[b"huggingface"] == b"kept"
    digest = hashlib.sha256("".join(f"u{i}\n" for i in order).encode()).hexdigest()
    assert done.digest == digest
    manifest = json.loads(out.schema.metadata[b"coreset"])
    assert manifest["command"] == "take"
    assert manifest["count"] == 5
    assert manifest["selection_digest"] == manifest["inputs"][0]["ids_digest"] == digest
    assert [(i["path"], i["rows"]) for i in manifest["inputs"]] == [(str(sel), 5), (str(path), 50)]
    every = hashlib.sha256("".join(f"u{i}\n" for i in range(50)).encode()).hexdigest()
    assert manifest["inputs"][1]["ids_digest"] == every


def test_sort_by_index_keeps_ranks_and_digest(run_cli, pick, rows, tmp_path):
    path, _ = rows
    sel = pick(["u33", "u2", "u8"], weight=pa.array([3.0, 1.0, 2.0]))
    by_rank = run_cli("take", sel, path, "-o", tmp_path / "a.parquet")
    by_index = run_cli("take", sel, path, "-o", tmp_path / "b.parquet", "--sort", "index")
    out = pq.read_table(tmp_path / "b.parquet", columns=["uid", "rank", "weight"])
    assert out.to_pylist() == [
        {"uid": "u2", "rank": 1, "weight": 1.0},
        {"uid": "u8", "rank": 2, "weight": 2.0},
        {"uid": "u33", "rank": 0, "weight": 3.0},
    ]
    assert by_rank.digest == by_index.digest


@pytest.mark.parametrize(("roles", "there"), [("core core", False), ("core support", True)])
def test_roles_are_written_where_there_is_support(run_cli, pick, rows, tmp_path, roles, there):
    sel = pick(["u3", "u1"], role=roles.split(), weight=pa.nulls(2, pa.float32()))
    assert run_cli("take", sel, rows[0], "-o", tmp_path / "out.parquet").code == 0
    out = pq.read_table(tmp_path / "out.parquet")
    assert ("role" in out.column_names) == there
    assert "weight" not in out.column_names
    if there:
        assert out["role"].to_pylist() == roles.split()


def test_the_order_of_the_data_does_not_matter(run_cli, pick, rows, tmp_path):
    path, table = rows
    folder = tmp_path / "folder"
    folder.mkdir()
    shuffled = table.take(np.random.default_rng(0).permutation(50))
    pq.write_table(shuffled.slice(0, 20), folder / "a.parquet")
    pq.write_table(shuffled.slice(20), folder / "b.parquet")
    sel = pick(["u7", "u40", "u1"])
    for data, out in [([path], "1"), ([folder], "2"), (sorted(folder.iterdir())[::-1], "3")]:
        assert run_cli("take", sel, *data, "-o", tmp_path / f"{out}.parquet").code == 0
    tables = [pq.read_table(tmp_path / f"{out}.parquet") for out in "123"]
    assert tables[0].equals(tables[1])
    assert tables[0].equals(tables[2])


def test_an_id_column_can_be_named(run_cli, pick, tmp_path):
    pq.write_table(pa.table({"id": [1, 2], "name": ["x", "y"]}), tmp_path / "d.parquet")
    out = tmp_path / "out.parquet"
    assert run_cli("take", pick(["y"]), tmp_path / "d.parquet", "-o", out, "--id", "name").code == 0
    assert pq.read_table(out).to_pylist() == [{"id": 2, "name": "y", "rank": 0}]


def test_row_numbers_travel_as_ids_from_vectors_to_images(run_cli, make_points, tmp_path):
    np.save(tmp_path / "emb.npy", make_points(30, 4, 0))
    image = pa.array([bytes([i]) for i in range(30)])
    pq.write_table(pa.table({"image": image}), tmp_path / "images.parquet")
    sel, out = tmp_path / "sel.npy", tmp_path / "out.parquet"
    run_cli("select", "-m", "random", "-k", "6", tmp_path / "emb.npy", "-o", sel)
    done = run_cli("take", sel, tmp_path / "images.parquet", "-o", out)
    assert (done.code, "warning" in done.err) == (0, False)
    picked = np.load(sel)
    taken = pq.read_table(out)
    assert taken["image"].to_pylist() == [bytes([i]) for i in picked]
    assert taken["id"].to_pylist() == picked.tolist()
    # A selection of the subset names those rows too.
    again, last = tmp_path / "again.parquet", tmp_path / "last.parquet"
    vectors = tmp_path / "subset.npy"
    run_cli("take", sel, tmp_path / "emb.npy", "-o", vectors)
    run_cli("select", "-m", "random", "-k", "2", vectors, "-o", again)
    pq.write_table(taken.drop_columns(["rank"]), out)
    assert run_cli("take", again, out, "-o", last).code == 0
    ids = pq.read_table(again)["id"].to_pylist()
    assert set(ids) <= set(picked.tolist())
    assert pq.read_table(last)["image"].to_pylist() == [bytes([i]) for i in ids]


def test_a_sorted_list_of_numbers_has_lost_its_ranks(run_cli, make_points, tmp_path):
    np.save(tmp_path / "emb.npy", make_points(30, 4, 0))
    sel = tmp_path / "sel.npy"
    run_cli("select", "-m", "random", "-k", "6", "--sort", "index", tmp_path / "emb.npy", "-o", sel)
    done = run_cli("take", sel, tmp_path / "emb.npy", "-o", tmp_path / "out.npy")
    assert done.code == 0
    assert "warning: " in done.err
    assert "not in the order its manifest says" in done.err


@pytest.mark.parametrize("dtype", [">f4", np.float16, np.int64])
def test_vectors_to_npy_with_their_columns_beside(run_cli, pick, tmp_path, dtype):
    vectors = np.arange(60).reshape(20, 3).astype(dtype)
    np.save(tmp_path / "emb.npy", vectors)
    beside = pa.table({"key": [f"k{i}" for i in range(20)], "label": [i % 3 for i in range(20)]})
    pq.write_table(beside, tmp_path / "emb.npy.meta.parquet")
    out = tmp_path / "out.npy"
    done = run_cli("take", pick(["k9", "k3"], weight=[0.5, 2.0]), tmp_path / "emb.npy", "-o", out)
    assert done.code == 0
    taken = np.load(out)
    np.testing.assert_array_equal(taken, vectors[[9, 3]])
    assert taken.dtype == np.dtype(dtype).newbyteorder("=")
    assert pq.read_table(tmp_path / "out.npy.meta.parquet").to_pylist() == [
        {"key": "k9", "label": 0, "rank": 0, "weight": 0.5},
        {"key": "k3", "label": 0, "rank": 1, "weight": 2.0},
    ]
    manifest = json.loads((tmp_path / "out.npy.coreset.json").read_text())
    assert manifest["selection_digest"] == done.digest


def test_vectors_between_parquet_and_npy(run_cli, pick, make_points, tmp_path):
    vectors = make_points(20, 3, 0)
    folder = tmp_path / "shards"
    folder.mkdir()
    for shard in range(2):
        np.save(folder / f"{shard}.npy", vectors[10 * shard : 10 * shard + 10])
    sel = tmp_path / "sel.txt"
    sel.write_text("15\n4\n11\n")
    assert run_cli("take", sel, folder, "-o", tmp_path / "a.parquet").code == 0
    table = pq.read_table(tmp_path / "a.parquet")
    assert table.schema.field("embedding").type == pa.list_(pa.float32(), 3)
    np.testing.assert_array_equal(np.stack(table["embedding"].to_numpy()), vectors[[15, 4, 11]])
    assert table["id"].to_pylist() == [15, 4, 11]
    first = pick([11], name="one.parquet")
    plain = tmp_path / "plain.parquet"
    pq.write_table(table.drop_columns(["rank"]), plain)
    assert run_cli("take", first, plain, "-o", tmp_path / "b.npy").code == 0
    np.testing.assert_array_equal(np.load(tmp_path / "b.npy"), vectors[[11]])


def test_the_digits_can_be_taken_from(run_cli, tmp_path):
    sel = tmp_path / "sel.txt"
    sel.write_text("5\n1\n")
    assert run_cli("take", sel, "digits:train", "-o", tmp_path / "o.parquet").code == 0
    out = pq.read_table(tmp_path / "o.parquet")
    assert out.schema.names == ["embedding", "label", "id", "rank"]
    assert len(out["embedding"][0]) == 64


def test_a_folder_of_images_is_copied_under_its_names(run_cli, pick, tree, tmp_path):
    out = tmp_path / "out"
    done = run_cli("take", pick(IDS, weight=[1.5, 1.0, 0.5]), tree, "-o", out)
    assert done.code == 0
    copied = [p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()]
    assert sorted(copied) == sorted([*IDS, "metadata.csv"])
    for name in IDS:
        assert (out / name).read_bytes() == (tree / name).read_bytes()
    with (out / "metadata.csv").open(encoding="utf-8") as file:
        assert list(csv.DictReader(file)) == [
            {"file_name": n, "id": n, "rank": str(r), "weight": w, "label": n[:3]}
            for r, (n, w) in enumerate(zip(IDS, ["1.5", "1.0", "0.5"], strict=True))
        ]
    assert json.loads((tmp_path / "out.coreset.json").read_text())["count"] == 3


def test_a_folder_of_images_as_hugging_face_has_them(run_cli, pick, tree, tmp_path):
    assert run_cli("take", pick(IDS), tree, "-o", tmp_path / "out.parquet").code == 0
    out = pq.read_table(tmp_path / "out.parquet")
    assert out.schema.field("image").type == pa.struct(
        [("bytes", pa.binary()), ("path", pa.string())]
    )
    assert out.to_pylist() == [
        {
            "id": name,
            "image": {"bytes": (tree / name).read_bytes(), "path": name},
            "label": name[:3],
            "rank": rank,
        }
        for rank, name in enumerate(IDS)
    ]
    features = json.loads(out.schema.metadata[b"huggingface"])["info"]["features"]
    assert features == {"image": {"_type": "Image"}}


def test_force_replaces_only_a_folder_that_take_wrote(run_cli, pick, tree, tmp_path):
    out = tmp_path / "out"
    (out / "precious").mkdir(parents=True)
    for extra in [(), ("--force",)]:
        done = run_cli("take", pick(IDS), tree, "-o", out, *extra)
        assert done.code == 2
        assert str(out) in done.err
    assert (out / "precious").is_dir()
    (out / "precious").rmdir()
    out.rmdir()
    assert run_cli("take", pick(IDS), tree, "-o", out).code == 0
    assert run_cli("take", pick(IDS[:1]), tree, "-o", out).code == 2
    assert run_cli("take", pick(IDS[:1]), tree, "-o", out, "--force").code == 0
    assert {p.name for p in out.rglob("*.*")} == {"metadata.csv", "b.png"}


def test_samples_of_shards_move_whole(run_cli, pick, shards, tmp_path):
    ids = ["00001/d/13", "00000/d/00", "00001/d/10"]
    out = tmp_path / "out.tar"
    done = run_cli("take", pick(ids, weight=[2.0, 1.0, 0.5]), shards, "-o", out)
    assert done.code == 0
    source = read_tar(shards / "00000.tar") | read_tar(shards / "00001.tar")
    taken = read_tar(out)
    kept = {n: d for n, d in source.items() if n.partition(".")[0] in {"d/13", "d/00", "d/10"}}
    notes = {n: json.loads(taken.pop(n)) for n in list(taken) if n.endswith(".coreset.json")}
    assert taken == kept
    assert notes == {
        f"{key}.coreset.json": {"id": ids[rank], "rank": rank, "weight": weight}
        for rank, (key, weight) in enumerate([("d/13", 2.0), ("d/00", 1.0), ("d/10", 0.5)])
    }
    assert list(read_tar(out))[:5] == [
        f"d/13.{end}" for end in ["JPG", "cls", "seg.png", "json", "coreset.json"]
    ]
    assert json.loads((tmp_path / "out.tar.coreset.json").read_text())["count"] == 3


def test_members_of_shards_become_columns(run_cli, pick, shards, tmp_path):
    out = tmp_path / "out.parquet"
    files = sorted(shards.iterdir())
    assert run_cli("take", pick(["00001/d/13", "00000/d/00"]), *files, "-o", out).code == 0
    table = pq.read_table(out)
    assert table.schema.field("label").type == pa.int64()
    assert table.to_pylist() == [
        {
            "id": ident,
            "image": {"bytes": bytes([key]) * (100 + key), "path": name},
            "label": 7,
            "json": '{"k": "é"}',
            "seg.png": b"mask",
            "rank": rank,
        }
        for rank, (ident, key, name) in enumerate(
            [("00001/d/13", 3, "d/13.JPG"), ("00000/d/00", 0, "d/00.JPG")]
        )
    ]


def test_labels_that_are_not_all_numbers_are_texts(run_cli, pick, tmp_path):
    data = make_tar(tmp_path / "s.tar", [("a.cls", b"007"), ("b.cls", b"cat"), ("c.txt", b"-")])
    out = tmp_path / "out.parquet"
    assert run_cli("take", pick(["s/a", "s/b", "s/c"]), data, "-o", out).code == 0
    assert pq.read_table(out)["label"].to_pylist() == ["007", "cat", None]


def test_hostile_names_stay_inside(run_cli, pick, tmp_path):
    data = make_tar(tmp_path / "s.tar", [("../../evil.jpg", b"1"), ("/abs/x.jpg", b"2")])
    out = tmp_path / "out.tar"
    assert run_cli("take", pick(["s/../../evil", "s//abs/x"]), data, "-o", out).code == 0
    names = set(read_tar(out))
    assert names == {"evil.jpg", "evil.coreset.json", "abs/x.jpg", "abs/x.coreset.json"}
    assert not list(tmp_path.parent.parent.glob("evil*"))


def test_json_is_one_object_and_quiet_leaves_the_digest(run_cli, pick, rows, tmp_path):
    out = tmp_path / "out.parquet"
    done = run_cli("take", pick(["u1", "u2"]), rows[0], "-o", out, "--json", "-q")
    record = json.loads(done.out)
    assert record["count"] == 2
    assert record["output"] == str(out)
    assert done.err == record["selection_digest"] + "\n"


def test_a_dry_run_writes_nothing_and_knows_the_bytes(run_cli, pick, tree, shards, tmp_path):
    sel = pick(IDS)
    done = run_cli("take", sel, tree, "-o", tmp_path / "out", "--dry-run", "--json")
    record = json.loads(done.out)
    assert done.code == 0
    assert (record["rows"], record["data_rows"]) == (3, 4)
    assert record["bytes"] == sum(len((tree / name).read_bytes()) for name in IDS)
    sel = pick(["00000/d/04"])
    done = run_cli("take", sel, shards, "-o", tmp_path / "out.tar", "--dry-run")
    assert "1 of 10 rows" in done.out
    assert not list(tmp_path.glob("out*"))


def refused(done, code, *words):
    assert done.code == code, done.err
    for word in words:
        assert word in done.err
    assert "Traceback" not in done.err


def test_an_id_that_is_not_there(run_cli, pick, rows, tree, shards, tmp_path):
    out = tmp_path / "out.parquet"
    for data in (rows[0], tree, shards):
        done = run_cli("take", pick(["nobody"]), data, "-o", out)
        refused(done, 3, "sel.parquet", "'nobody' (row 0)", str(data))
    assert not out.exists()


def test_row_numbers_of_other_data(run_cli, make_points, tmp_path):
    for n in (30, 31):
        np.save(tmp_path / f"{n}.npy", make_points(n, 4, 0))
    sel = tmp_path / "sel.txt"
    run_cli("select", "-m", "random", "-k", "6", tmp_path / "30.npy", "-o", sel)
    done = run_cli("take", sel, tmp_path / "31.npy", "-o", tmp_path / "out.npy")
    refused(done, 3, "sel.txt", "30 rows", "31.npy has 31 rows", "give the data")
    assert not list(tmp_path.glob("out*"))


@pytest.mark.parametrize("suffix", [".txt", ".npy"])
def test_a_bare_list_is_taken_for_row_numbers_with_a_warning(run_cli, rows, tmp_path, suffix):
    sel = tmp_path / f"sel{suffix}"
    if suffix == ".txt":
        sel.write_text("4\n2\n")
    else:
        np.save(sel, np.array([4, 2]))
    done = run_cli("take", sel, rows[0], "-o", tmp_path / "out.parquet")
    assert done.code == 0
    assert f"warning: {sel} has no manifest" in done.err
    assert pq.read_table(tmp_path / "out.parquet")["uid"].to_pylist() == ["u4", "u2"]
    sel = tmp_path / "far.txt"
    sel.write_text("50\n")
    done = run_cli("take", sel, rows[0], "-o", tmp_path / "o2.parquet")
    refused(done, 3, "far.txt", "50 rows")


def test_an_index_list_can_be_piped_in(run_cli, rows, tmp_path):
    out = tmp_path / "out.parquet"
    done = run_cli("take", "-", rows[0], "-o", out, stdin=b"4\n2\n")
    assert done.code == 0
    assert pq.read_table(out)["uid"].to_pylist() == ["u4", "u2"]
    done = run_cli("take", "-", rows[0], "-o", tmp_path / "o2.parquet", stdin=b"four\n")
    refused(done, 3, "stdin")
    refused(run_cli("take", "-", "-", "-o", tmp_path / "o2.parquet", stdin=b"4\n"), 2, "both")


def test_a_name_clash(run_cli, pick, rows, tmp_path):
    table = rows[1]
    pq.write_table(table.append_column("rank", table["label"]), tmp_path / "r.parquet")
    done = run_cli("take", pick(["u1"]), tmp_path / "r.parquet", "-o", tmp_path / "out.parquet")
    refused(done, 3, "r.parquet has a column 'rank' already", "rename it")


def test_repeated_ids(run_cli, pick, tree, shards, tmp_path):
    done = run_cli("take", pick(IDS), tree, tree.parent / "tree", "-o", tmp_path / "o.parquet")
    refused(done, 3, "the same id 'cat/b.png'")
    same = make_tar(tmp_path / "s.tar", [("a.jpg", b"1"), ("b.jpg", b"2"), ("a.jpg", b"3")])
    done = run_cli("take", pick(["s/a"]), same, "-o", tmp_path / "o.tar")
    refused(done, 3, "s.tar: member a.jpg occurs twice", "rename")


def test_one_key_in_two_shards_fits_no_single_shard(run_cli, pick, tmp_path):
    paths = [make_tar(tmp_path / f"{i}.tar", [("a.jpg", bytes([i]))]) for i in range(2)]
    sel = pick(["0/a", "1/a"])
    done = run_cli("take", sel, *paths, "-o", tmp_path / "o.tar")
    refused(done, 3, "1.tar: a.jpg would be a second a.jpg", "write .parquet")
    assert not list(tmp_path.glob("o.tar*"))
    assert run_cli("take", sel, *paths, "-o", tmp_path / "o.parquet").code == 0


def test_truncated_inputs(run_cli, pick, rows, shards, tmp_path):
    for path, ident in [(rows[0], "u1"), (shards / "00001.tar", "00001/d/10")]:
        path.write_bytes(path.read_bytes()[:-11000] or path.read_bytes()[:-20])
        done = run_cli("take", pick([ident]), path, "-o", tmp_path / "out.parquet")
        refused(done, 3, str(path), "truncated")


def test_missing_and_empty_inputs(run_cli, pick, rows, tmp_path):
    out = tmp_path / "out.parquet"
    refused(run_cli("take", tmp_path / "no.txt", rows[0], "-o", out), 2, "no such file", "no.txt")
    done = run_cli("take", pick(["u1"]), tmp_path / "no.tar", "-o", out)
    refused(done, 2, "no such file", "no.tar")
    done = run_cli("take", pick(["u1"]), tmp_path / "no", "-o", out)
    refused(done, 2, "no such file")
    (tmp_path / "empty").mkdir()
    done = run_cli("take", pick(["u1"]), tmp_path / "empty", "-o", out)
    refused(done, 2, "empty holds no images", "name the folder")


def test_outputs_that_do_not_fit_the_data(run_cli, pick, rows, tree, shards, tmp_path):
    for data, out, words in [
        (rows[0], "o.tar", ".parquet or .npy"),
        (rows[0], "folder", ".parquet or .npy"),
        (tree, "o.npy", ".parquet or a name without a suffix"),
        (shards, "o.csv", ".parquet or .tar"),
    ]:
        refused(run_cli("take", pick(["u1"]), data, "-o", tmp_path / out), 2, out, words)
    refused(run_cli("take", pick(["u1"]), rows[0], "-o", tmp_path / "o.npy"), 3, "no column of vec")
    refused(run_cli("take", pick(["u1"]), rows[0]), 2, "--output")
    assert not list(tmp_path.glob("o.*"))


def test_kinds_of_data_do_not_mix_and_files_have_no_columns(run_cli, pick, rows, tree, tmp_path):
    out = tmp_path / "o.parquet"
    refused(run_cli("take", pick(["u1"]), rows[0], tree, "-o", out), 2, "one kind at a time")
    refused(run_cli("take", pick(["u1"]), tree, "-o", out, "--id", "x"), 2, "leave --id")


def test_outputs_among_the_inputs(run_cli, pick, rows, tree, tmp_path):
    sel = pick(IDS)
    for out in (tree / "o.parquet", tree / "cat" / "o", tree):
        refused(run_cli("take", sel, tree, "-o", out, "--force"), 2, "lies in the input")
    done = run_cli("take", pick(["u1"]), rows[0], "-o", rows[0], "--force")
    refused(done, 2, "lies in the input")
    assert pq.read_table(rows[0]).equals(rows[1])


def test_an_output_that_is_there(run_cli, pick, rows, tmp_path):
    out = tmp_path / "out.parquet"
    out.write_text("mine")
    refused(run_cli("take", pick(["u1"]), rows[0], "-o", out), 2, "--force")
    assert out.read_text() == "mine"
    assert run_cli("take", pick(["u1"]), rows[0], "-o", out, "--force").code == 0
    assert len(pq.read_table(out)) == 1


def test_real_images_byte_for_byte(run_cli, real_data, tmp_path):
    emb = real_data / "embeddings" / "cifar10-resnet56-64-train.npy"
    images = real_data / "cifar10" / "train.parquet"
    sel, out = tmp_path / "sel.parquet", tmp_path / "out.parquet"
    assert run_cli("select", "-m", "random", "-k", "100", emb, "-o", sel).code == 0
    assert run_cli("take", sel, images, "-o", out).code == 0
    whole, taken = pq.read_table(images), pq.read_table(out)
    picked = pq.read_table(sel)["index"].to_pylist()
    assert taken["image"].to_pylist() == [whole["image"][row].as_py() for row in picked]
    assert taken["label"].to_pylist() == [whole["label"][row].as_py() for row in picked]


def test_real_vectors_with_their_labels(run_cli, real_data, tmp_path):
    data = real_data / "embeddings" / "cifar10n-mobilenetv2-1280-train10k.parquet"
    sel, out = tmp_path / "sel.parquet", tmp_path / "out.parquet"
    assert run_cli("select", "-m", "random", "-k", "100", data, "-o", sel).code == 0
    assert run_cli("take", sel, data, "-o", out).code == 0
    whole, taken = pq.read_table(data), pq.read_table(out)
    picked = pq.read_table(sel)["index"]
    assert taken.select(whole.column_names).equals(whole.take(picked))
