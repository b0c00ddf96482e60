"""`corrupt` through the command line, on images, labels and vectors.

What is right is known without our code: bytes that must not change, counts by hand, arithmetic.
"""

import io
import json
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

FIVE = ["motion", "fog", "resolution", "occlusion", "gaussian"]


def encoded(values, form="PNG"):
    file = io.BytesIO()
    Image.fromarray(values).save(file, form)
    return file.getvalue()


def decoded(image):
    return np.asarray(Image.open(io.BytesIO(image["bytes"])))


def make_table(n, seed=0, **columns):
    """Rows of JPEG images in colour, every fifth a grey PNG."""
    rng = np.random.default_rng(seed)
    images = []
    for row in range(n):
        shape = (16, 16) if row % 5 == 0 else (16, 16, 3)
        form = "PNG" if row % 5 == 0 else "JPEG"
        values = rng.integers(0, 256, shape, dtype=np.uint8)
        images.append({"bytes": encoded(values, form), "path": f"{row}.{form.lower()}"})
    features = {"image": {"_type": "Image"}, "label": {"_type": "ClassLabel", "names": ["a", "b"]}}
    return pa.table(
        {
            "id": [f"u{row:04}" for row in range(n)],
            "image": images,
            "label": pa.array(np.arange(n) % 4, pa.int8()),
            "note": pa.array([None if row % 3 else f"é{row}" for row in range(n)]),
            **columns,
        }
    ).replace_schema_metadata({"huggingface": json.dumps({"info": {"features": features}})})


@pytest.fixture
def images(tmp_path):
    table = make_table(100)
    pq.write_table(table, tmp_path / "in.parquet", row_group_size=30)
    return tmp_path / "in.parquet", table


@pytest.fixture
def vectors(tmp_path):
    values = np.random.default_rng(1).normal(size=(200, 6)).astype(np.float16)
    np.save(tmp_path / "v.npy", values)
    table = pa.table({"id": [f"k{i}" for i in range(200)], "label": np.arange(200) % 4})
    pq.write_table(table, tmp_path / "v.npy.meta.parquet")
    return tmp_path / "v.npy", values


def read(path):
    return pq.read_table(path)


def names_of(table):
    return table["corruption"].to_pylist()


def test_images_are_hit_in_exact_numbers_and_all_others_keep_their_bytes(run_cli, images, tmp_path):
    path, table = images
    done = run_cli("corrupt", path, "-o", tmp_path / "out.parquet", "--images", "mixed=0.23")
    assert (done.code, done.out) == (0, "")
    out = read(tmp_path / "out.parquet")
    names = names_of(out)
    # 23 rows: bounds ⌊23 j / 5⌋ = 0, 4, 9, 13, 18, 23
    assert Counter(filter(None, names)) == dict(zip(FIVE, [4, 5, 4, 5, 5], strict=True))
    assert out.select(["id", "label", "note"]).equals(table.select(["id", "label", "note"]))
    assert out.schema.field("image").type == table.schema.field("image").type
    for before, after, name in zip(
        table["image"].to_pylist(), out["image"].to_pylist(), names, strict=True
    ):
        if name is None:
            assert after == before
            continue
        assert after["bytes"].startswith(b"\x89PNG")
        assert after["path"] == before["path"].replace(".jpeg", ".png")
        assert decoded(after).shape == decoded(before).shape
        assert (decoded(after) != decoded(before)).any()
    assert [line for line in done.err.splitlines() if "by gaussian" in line] == [
        "5 of 100 rows by gaussian"
    ]


def test_each_image_is_damaged_as_its_name_says(run_cli, images, tmp_path):
    path, table = images
    specs = ["--images", "occlusion=0.2", "--images", "gaussian=0.3", "--set", "sigma=0.1"]
    assert run_cli("corrupt", path, "-o", tmp_path / "out.parquet", *specs).code == 0
    out = read(tmp_path / "out.parquet")
    assert Counter(names_of(out)) == {"occlusion": 20, "gaussian": 30, None: 50}
    spread = []
    rows = zip(table["image"].to_pylist(), out["image"].to_pylist(), names_of(out), strict=True)
    for before, after, name in rows:
        old, new = decoded(before).astype(float), decoded(after).astype(float)
        if name == "occlusion":
            changed = new != old
            assert (new[changed] == 0).all()
            assert (new == 0).reshape(16, 16, -1).all(axis=2).sum() >= 64
            assert changed.reshape(16, 16, -1).any(axis=2).sum() <= 64
        if name == "gaussian":
            middle = (old > 90) & (old < 165)  # nothing there is clipped
            spread.append((new - old)[middle])
    assert np.concatenate(spread).std() == pytest.approx(25.5, rel=0.03)


def test_labels_alone_leave_every_image_byte(run_cli, images, tmp_path):
    path, table = images
    done = run_cli("corrupt", path, "-o", tmp_path / "out.parquet", "--labels", "symmetric=0.305")
    assert done.code == 0, done.err
    out = read(tmp_path / "out.parquet")
    assert out.select(["id", "image", "note"]).equals(table.select(["id", "image", "note"]))
    assert out["clean_label"].equals(table["label"])
    assert out.schema.field("label").type == pa.int8()
    wrong = out["label"].to_numpy() != table["label"].to_numpy()
    assert wrong.sum() == 31  # ⌊30.5 + ½⌋
    assert [name is not None for name in names_of(out)] == wrong.tolist()
    assert set(out["label"].to_pylist()) <= {0, 1, 2, 3}
    features = json.loads(out.schema.metadata[b"huggingface"])["info"]["features"]
    assert features["label"]["names"] == features["clean_label"]["names"] == ["a", "b"]


def test_images_and_labels_are_hit_independently_and_named_together(run_cli, images, tmp_path):
    path, _ = images
    specs = ["--images", "fog=0.5", "--labels", "pair-flip=0.5"]
    assert run_cli("corrupt", path, "-o", tmp_path / "out.parquet", *specs).code == 0
    out = read(tmp_path / "out.parquet")
    found = Counter(names_of(out))
    assert found["fog"] + found["fog+pair-flip"] == 50
    assert found["pair-flip"] + found["fog+pair-flip"] == 50
    assert 10 < found["fog+pair-flip"] < 40
    label, clean = out["label"].to_numpy(), out["clean_label"].to_numpy()
    flipped = np.array(["pair-flip" in (name or "") for name in names_of(out)])
    assert (label == np.where(flipped, (clean + 1) % 4, clean)).all()


def test_a_second_run_keeps_the_first_truth(run_cli, images, tmp_path):
    path, table = images
    once, twice = tmp_path / "once.parquet", tmp_path / "twice.parquet"
    first = ["--images", "fog=0.5", "--labels", "symmetric=0.5"]
    assert run_cli("corrupt", path, "-o", once, *first).code == 0
    second = ["--images", "resolution=0.5", "--labels", "trid=0.5"]
    assert run_cli("corrupt", once, "-o", twice, *second).code == 0
    out = read(twice)
    assert out["clean_label"].equals(table["label"])
    before, after = names_of(read(once)), names_of(out)
    for old, new in zip(before, after, strict=True):
        assert new == old or new.removeprefix(f"{old}+" if old else "") in {
            "resolution",
            "trid",
            "resolution+trid",
        }
    assert sum("resolution" in (name or "") for name in after) == 50
    assert any((name or "").startswith("fog+symmetric+") for name in after)
    assert out.schema.names == [
        "image",
        "id",
        "label",
        "note",
        "corruption",
        "clean_label",
    ]


def test_known_truth_is_filled_only_where_a_label_changes(run_cli, tmp_path):
    known = pa.array([None if row % 2 else 9 for row in range(40)], pa.int64())
    pq.write_table(make_table(40, clean_label=known), tmp_path / "in.parquet")
    out = tmp_path / "out.parquet"
    assert run_cli("corrupt", tmp_path / "in.parquet", "-o", out, "--labels", "trid=0.5").code == 0
    table = read(out)
    old = [row % 4 for row in range(40)]
    changed = [a != b for a, b in zip(table["label"].to_pylist(), old, strict=True)]
    assert sum(changed) == 20
    assert table["clean_label"].to_pylist() == [
        9 if row % 2 == 0 else old[row] if changed[row] else None for row in range(40)
    ]


@pytest.mark.parametrize("kind", [*FIVE, "symmetric"])
def test_damage_follows_the_id_and_not_the_place(run_cli, tmp_path, kind):
    table = make_table(60)
    order = np.random.default_rng(3).permutation(60)
    pq.write_table(table, tmp_path / "one.parquet")
    folder = tmp_path / "shards"
    folder.mkdir()
    shuffled = table.take(order)
    for part in range(3):
        pq.write_table(shuffled.slice(20 * part, 20), folder / f"{part}.parquet")
    option = "--labels" if kind == "symmetric" else "--images"
    made = []
    for place in (tmp_path / "one.parquet", folder):
        out = tmp_path / f"{place.stem}-out.parquet"
        assert run_cli("corrupt", place, "-o", out, option, f"{kind}=0.4").code == 0
        made.append(read(out))
    assert made[0].take(order).combine_chunks().equals(made[1].combine_chunks())
    out = tmp_path / "other.parquet"
    place = tmp_path / "one.parquet"
    assert run_cli("corrupt", place, "-o", out, option, f"{kind}=0.4", "--seed", 1).code == 0
    assert names_of(read(out)) != names_of(made[0])


def test_vectors_are_hit_in_exact_numbers_and_all_others_keep_every_bit(run_cli, vectors, tmp_path):
    path, values = vectors
    specs = ["--vectors", "sign-flip=0.25", "--vectors", "duplicate=0.1"]
    done = run_cli("corrupt", path, "-o", tmp_path / "out.parquet", *specs)
    assert done.code == 0, done.err
    out = read(tmp_path / "out.parquet")
    names = np.array([name or "" for name in names_of(out)])
    assert Counter(names.tolist()) == {"sign-flip": 50, "duplicate": 20, "": 130}
    assert out.schema.field("embedding").type == pa.list_(pa.float16(), 6)
    after = np.stack(out["embedding"].to_pylist()).astype(np.float16)
    stays = names == ""
    assert (after[stays].view(np.uint16) == values[stays].view(np.uint16)).all()
    assert (after[names == "sign-flip"] == -values[names == "sign-flip"]).all()
    copies = np.unique(after[names == "duplicate"], axis=0)
    assert len(copies) == 1
    assert (values[stays] == copies).all(axis=1).any()
    assert out["id"].to_pylist() == [f"k{i}" for i in range(200)]


def test_the_cluster_moves_the_mean_by_its_share_of_the_way(run_cli, vectors, tmp_path):
    path, values = vectors
    specs = ["--vectors", "cluster=0.2", "--set", "scale=10", "--set", "spread=0"]
    assert run_cli("corrupt", path, "-o", tmp_path / "out.npy", *specs).code == 0
    after = np.load(tmp_path / "out.npy").astype(float)
    assert after.dtype == float
    assert np.load(tmp_path / "out.npy").dtype == np.float16
    names = read(tmp_path / "out.npy.meta.parquet")["corruption"].to_pylist()
    hit = np.array([name == "cluster" for name in names])
    clean = values[~hit].astype(float)
    radius = np.median(np.linalg.norm(clean - clean.mean(axis=0), axis=1))
    moved = np.linalg.norm(after.mean(axis=0) - clean.mean(axis=0))
    assert moved == pytest.approx(0.2 * 10 * radius, rel=0.01)
    manifest = json.loads((tmp_path / "out.npy.coreset.json").read_text())
    assert manifest["parameters"]["settings"]["vectors"]["scale"] == 10
    assert manifest["inputs"][0]["rows"] == 200


def test_labels_of_vectors_and_both_together(run_cli, vectors, tmp_path):
    path, values = vectors
    assert run_cli("corrupt", path, "-o", tmp_path / "a.npy", "--labels", "symmetric=0.2").code == 0
    assert np.load(tmp_path / "a.npy").tobytes() == values.tobytes()
    meta = read(tmp_path / "a.npy.meta.parquet")
    wrong = meta["label"].to_numpy() != np.arange(200) % 4
    assert wrong.sum() == 40
    assert (meta["clean_label"].to_numpy() == np.arange(200) % 4).all()
    both = ["--labels", "symmetric=0.2", "--vectors", "shift=0.5"]
    assert run_cli("corrupt", path, "-o", tmp_path / "b.parquet", *both).code == 0
    out = read(tmp_path / "b.parquet")
    assert (out["label"].to_numpy() != np.arange(200) % 4).tolist() == wrong.tolist()
    assert sum("shift" in (name or "") for name in names_of(out)) == 100


def test_vectors_follow_the_id_too(run_cli, vectors, tmp_path):
    _, values = vectors
    order = np.random.default_rng(5).permutation(200)
    for name, rows in (("a", np.arange(200)), ("b", order)):
        table = pa.table({"id": [f"k{i}" for i in rows], "embedding": list(values[rows])})
        pq.write_table(table, tmp_path / f"{name}.parquet")
        done = run_cli(
            "corrupt", tmp_path / f"{name}.parquet", "-o", tmp_path / f"{name}-out.parquet",
            *("--vectors", "scatter=0.2", "--vectors", "cluster=0.2"),
        )  # fmt: skip
        assert done.code == 0, done.err
    a, b = (read(tmp_path / f"{name}-out.parquet") for name in "ab")
    assert names_of(a.take(order)) == names_of(b)
    left, right = (np.stack(t["embedding"].to_pylist()) for t in (a.take(order), b))
    assert (left == right).all()


def test_text_labels_and_a_file_of_labels(run_cli, tmp_path):
    words = ["cat", "dog", "é"] * 20
    np.save(tmp_path / "v.npy", np.arange(120.0).reshape(60, 2))
    (tmp_path / "words.txt").write_text("\n".join(words) + "\n")
    done = run_cli(
        "corrupt", tmp_path / "v.npy", "-o", tmp_path / "out.parquet",
        *("--labels", "symmetric=0.5", "--label", tmp_path / "words.txt"),
    )  # fmt: skip
    assert done.code == 0, done.err
    out = read(tmp_path / "out.parquet")
    assert out["clean_label"].to_pylist() == words
    assert sum(a != b for a, b in zip(out["label"].to_pylist(), words, strict=True)) == 30
    assert set(out["label"].to_pylist()) == set(words)


def test_a_folder_of_images_becomes_a_table_with_ids(run_cli, tmp_path):
    before = {}
    for name in ("cat/a.png", "cat/b.png", "dog/a.png", "dog/é.png"):
        values = np.random.default_rng(len(before)).integers(0, 256, (9, 5, 3), dtype=np.uint8)
        place = tmp_path / "tree" / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(encoded(values))
        before[name] = place.read_bytes()
    done = run_cli(
        "corrupt", tmp_path / "tree", "-o", tmp_path / "out.parquet", "--images", "gaussian=0.5"
    )
    assert done.code == 0, done.err
    out = read(tmp_path / "out.parquet")
    assert out["id"].to_pylist() == sorted(before)
    assert out["label"].to_pylist() == ["cat", "cat", "dog", "dog"]
    same = [
        image["bytes"] == before[name]
        for name, image in zip(out["id"].to_pylist(), out["image"].to_pylist(), strict=True)
    ]
    assert same == [name is None for name in names_of(out)]
    assert sum(same) == 2


def test_broken_images_stop_the_run_only_where_they_are_damaged(run_cli, images, tmp_path):
    path, table = images
    out = tmp_path / "out.parquet"
    assert run_cli("corrupt", path, "-o", out, "--images", "fog=0.3").code == 0
    names = names_of(read(out))
    hit, spared = names.index("fog"), names.index(None)
    for row, code in ((hit, 3), (spared, 0)):
        rows = table["image"].to_pylist()
        rows[row] = {"bytes": b"no image", "path": None}
        broken = table.set_column(1, "image", pa.array(rows, table.schema.field("image").type))
        pq.write_table(broken, tmp_path / "broken.parquet")
        target = tmp_path / f"out{row}.parquet"
        done = run_cli("corrupt", tmp_path / "broken.parquet", "-o", target, "--images", "fog=0.3")
        assert done.code == code, done.err
        assert target.exists() == (code == 0)
        if code:
            assert f"row {row} (id 'u{row:04}')" in done.err
            assert list(tmp_path.glob(".*")) == []
        else:
            assert read(target)["image"][row].as_py()["bytes"] == b"no image"


def test_rows_of_a_small_fraction_are_among_those_of_a_large_one(run_cli, images, tmp_path):
    path, _ = images
    found = {}
    for spec in ("fog=0.1", "fog=0.4", "motion=0.4"):
        out = tmp_path / f"{spec}.parquet"
        assert run_cli("corrupt", path, "-o", out, "--images", spec).code == 0
        found[spec] = {row for row, name in enumerate(names_of(read(out))) if name}
    assert found["fog=0.1"] < found["fog=0.4"]
    assert 4 < len(found["fog=0.4"] & found["motion=0.4"]) < 30  # 16 where they are independent


def test_fractions_that_round_up_beyond_all_rows_leave_fewer_for_the_last(run_cli, tmp_path):
    pq.write_table(make_table(3), tmp_path / "in.parquet")
    specs = ["--images", "fog=0.5", "--images", "motion=0.5"]
    done = run_cli("corrupt", tmp_path / "in.parquet", "-o", tmp_path / "out.parquet", *specs)
    assert done.code == 0, done.err
    assert Counter(names_of(read(tmp_path / "out.parquet"))) == {"fog": 2, "motion": 1}


def test_nothing_is_nothing(run_cli, images, tmp_path):
    path, table = images
    specs = ["--images", "fog=0", "--labels", "symmetric=0"]
    assert run_cli("corrupt", path, "-o", tmp_path / "out.parquet", *specs).code == 0
    out = read(tmp_path / "out.parquet")
    assert out.select(table.column_names).equals(table)
    assert out["corruption"].null_count == 100


def test_images_of_any_size_and_one_pixel(run_cli, tmp_path):
    shapes = [(1, 1), (1, 1, 3), (3, 40), (7, 2, 3), (64, 64, 3)] * 5
    rng = np.random.default_rng(0)
    rows = [
        {"bytes": encoded(rng.integers(0, 256, s, dtype=np.uint8)), "path": None} for s in shapes
    ]
    pq.write_table(pa.table({"image": rows}), tmp_path / "in.parquet")
    done = run_cli(
        "corrupt", tmp_path / "in.parquet", "-o", tmp_path / "o.parquet", "--images", "mixed=1"
    )
    assert done.code == 0, done.err
    assert [decoded(i).shape for i in read(tmp_path / "o.parquet")["image"].to_pylist()] == shapes


def test_the_release_profile_names_the_image_it_is_not_for(run_cli, images, tmp_path):
    path, _ = images
    specs = ["--images", "fog=0.2", "--profile", "mds-release"]
    done = run_cli("corrupt", path, "-o", tmp_path / "out.parquet", *specs)
    assert done.code == 2
    assert "row " in done.err
    assert "mds-release is for images of 32" in done.err
    assert not (tmp_path / "out.parquet").exists()


def test_select_sees_no_truth_and_evaluate_tells_the_shares(run_cli, tmp_path):
    dirty, keep = tmp_path / "dirty.parquet", tmp_path / "keep.parquet"
    specs = ["--vectors", "cluster=0.2", "--labels", "symmetric=0.1"]
    assert run_cli("corrupt", "digits:train", "-o", dirty, *specs).code == 0
    select = ["select", "--method", "gm", "--ratio", "0.1"]
    seen = run_cli(*select, dirty, "-o", keep)
    assert seen.code == 0, seen.err
    blind = read(dirty).drop_columns(["corruption", "clean_label"])
    pq.write_table(blind, tmp_path / "blind.parquet")
    assert run_cli(*select, tmp_path / "blind.parquet").digest == seen.digest
    done = run_cli("evaluate", keep, "--train", dirty, "--test", "digits:test", "--json")
    assert done.code == 0, done.err
    truth = next(cell for cell in json.loads(done.out)["cells"] if cell["name"] == "keep")["truth"]
    out = read(dirty)
    picked = read(keep)["index"].to_pylist()
    names = [names_of(out)[row] or "" for row in picked]
    assert truth["by_type"]["cluster"]["kept"] == pytest.approx(
        np.mean(["cluster" in name for name in names])
    )
    assert truth["by_type"]["cluster"]["base"] == pytest.approx(269 / 1346)
    wrong = out["label"].to_numpy() != out["clean_label"].to_numpy()
    assert truth["mislabelled"]["base"] == pytest.approx(135 / 1346) == wrong.mean()
    assert truth["mislabelled"]["kept"] == pytest.approx(wrong[picked].mean())


def test_real_cifar_rows(run_cli, real_data, tmp_path):
    table = pq.read_table(real_data / "cifar10" / "train.parquet").slice(0, 300)
    pq.write_table(table, tmp_path / "in.parquet")
    specs = ["--images", "mixed=0.2", "--labels", "asymmetric=0.4", "--set", "transition=cifar10"]
    for profile in ("standard", "mds-release"):
        out = tmp_path / f"{profile}.parquet"
        done = run_cli("corrupt", tmp_path / "in.parquet", "-o", out, *specs, "--profile", profile)
        assert done.code == 0, done.err
        after = read(out)
        names = [(name or "").split("+")[0] for name in names_of(after)]
        assert [names.count(kind) for kind in FIVE] == [12] * 5
        fogged = after["image"][names.index("fog")].as_py()
        assert (decoded(fogged).max() == 0) == (profile == "mds-release")
        old, new = table["label"].to_numpy(), after["label"].to_numpy()
        turned = {9: 1, 2: 0, 4: 7, 3: 5, 5: 3}
        moved = old != new
        assert moved.sum() == int(0.4 * np.isin(old, list(turned)).sum() + 0.5)
        assert all(turned[a] == b for a, b in zip(old[moved], new[moved], strict=True))
        kept = [row for row in range(300) if names[row] not in FIVE]
        assert after["image"].take(kept).equals(table["image"].take(kept))
        assert after.schema.metadata[b"huggingface"].count(b"airplane") == 2


def test_a_file_of_labels_is_never_the_output(run_cli, images, tmp_path):
    source, table = images
    labels = tmp_path / "labels.parquet"
    pq.write_table(pa.table({"noisy": table["label"]}), labels)
    before = labels.read_bytes()
    words = ["--label", f"{labels}:noisy", "--images", "fog=0.1", "-o", labels, "--force"]
    got = run_cli("corrupt", source, *words)
    assert (got.code, "lies in the input" in got.err) == (2, True), got.err
    assert labels.read_bytes() == before
