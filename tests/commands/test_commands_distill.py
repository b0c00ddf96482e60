"""`distill` as typed: what it writes, how it goes on, and what it refuses."""

import io
import json
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coreset_cli.artifacts.synthetic import read_synthetic, read_unchecked, visible
from coreset_cli.commands.distill import Request, distill
from coreset_cli.errors import NotFinite

SMALL = ("--model", "convnet:width=4,depth=1", "--max-memory", "8G")
STILL = ("--set", "rate=1e-30", "--iterations", 1)
"""Pixels end where they begin."""


def png(values):
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """24 grey pictures, 14 of class `b` and 10 of class `a`, and the same without labels."""
    folder = tmp_path_factory.mktemp("distill")
    values = np.random.default_rng(0).integers(0, 256, (24, 8, 8), np.uint8)
    labels = np.array(["b"] * 14 + ["a"] * 10)
    ids = [f"id{row:02d}" for row in range(24)]
    table = pa.table({"id": ids, "image": [png(v) for v in values], "label": labels.tolist()})
    pq.write_table(table, folder / "data.parquet")
    pq.write_table(table.drop(["label"]), folder / "bare.parquet")
    return SimpleNamespace(
        folder=folder, path=folder / "data.parquet", values=values, labels=labels, ids=ids
    )


@pytest.fixture
def out(tmp_path):
    return tmp_path / "syn.parquet"


@pytest.fixture
def distilled(run_cli, data, out):
    """Run and read what was written."""

    def call(*arguments, method="dm", ipc=2, iterations=3, path=data.path, to=out):
        settings = () if "--iterations" in arguments else ("--iterations", iterations)
        words = ("distill", path, "-m", method, "--ipc", ipc, "-o", to, *SMALL)
        result = run_cli(*words, *settings, *arguments)
        assert result.code == 0, result.err
        assert not list(to.parent.glob("*.partial"))
        return result, read_synthetic(to)

    return call


@pytest.fixture
def refused(run_cli, data, out):
    """Run and demand an exit code and words in the one line of the error."""

    def call(*arguments, told, code, path=data.path, ipc=2):
        words = ("distill", path, "--ipc", ipc, "-o", out, *SMALL, *arguments)
        if "-m" not in arguments:
            words = (*words, "-m", "dm")
        result = run_cli(*words)
        lines = [line for line in result.err.splitlines() if line.startswith("error: ")]
        assert result.code == code, result.err
        assert (result.out, len(lines)) == ("", 1)
        for word in told if isinstance(told, tuple) else (told,):
            assert word in lines[0]
        assert not out.exists()

    return call


def rows_of(data, synthetic):
    """Which real picture each synthetic one is, if any."""
    shown = visible(synthetic)[..., 0]
    same = (shown[:, None] == data.values[None]).all((2, 3))
    return [int(row.argmax()) if row.any() else None for row in same]


def request_of(data, out, **changes):
    chosen = {
        "paths": (str(data.path),),
        "output": out,
        "method": "dm",
        "ipc": 2,
        "max_memory": 8 << 30,
        "settings": {},
        "model": "convnet:width=4,depth=1",
        "iterations": 5,
    }
    return Request(**{**chosen, **changes})


def unwatched(stage, done, total, detail=""):
    """Nobody looks."""


def test_what_is_written(distilled, data, out):
    result, found = distilled()
    assert found.pixels.shape == (4, 1, 8, 8)
    assert found.labels.texts().tolist() == ["a", "a", "b", "b"]
    assert (found.names, found.integers, found.ipc) == (("a", "b"), False, 2)
    assert (found.space, found.factor) == ("normalised", 1)
    assert found.augmentation == "color_crop_cutout_scale_rotate"
    scaled = data.values / 255
    assert found.mean == pytest.approx([scaled.mean()], rel=1e-6)
    assert found.std == pytest.approx([scaled.std()], rel=1e-6)
    _, manifest = read_unchecked(out)
    assert result.digest == manifest.content_digest
    assert result.out == ""
    assert (manifest.method, manifest.count, manifest.seed) == ("dm", 4, 0)
    assert manifest.inputs[0].rows == 24
    assert manifest.parameters["iterations"] == manifest.facts["iterations"] == 3
    assert manifest.parameters["settings"]["target"] == "mean"
    assert np.isfinite([manifest.facts["loss_first"], manifest.facts["loss_last"]]).all()


def test_labels_that_were_integers_stay_integers(distilled, data, tmp_path):
    table = pq.read_table(data.path).drop(["label"])
    table = table.append_column("kind", pa.array([7, -3] * 12))
    pq.write_table(table, tmp_path / "data.parquet")
    _, found = distilled("--label", "kind", path=tmp_path / "data.parquet")
    assert (found.names, found.integers) == (("-3", "7"), True)


def test_json_is_the_manifest_and_a_seed_another_set(distilled):
    result, _ = distilled("--json", "-q")
    one = json.loads(result.out)
    assert one["content_digest"] == result.digest == result.err.strip()
    again = json.loads(distilled("--json", "-f")[0].out)
    assert again["content_digest"] == one["content_digest"]
    other = json.loads(distilled("--json", "-f", "--seed", 1)[0].out)
    assert other["content_digest"] != one["content_digest"]


def test_the_order_of_the_file_decides_nothing(distilled, data, tmp_path):
    order = np.random.default_rng(1).permutation(24)
    mixed = tmp_path / "mixed.parquet"
    pq.write_table(pq.read_table(data.path).take(order), mixed)
    one = distilled("--id", "id")[1]
    other = distilled("--id", "id", path=mixed, to=tmp_path / "other.parquet")[1]
    np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-4)


def test_begins_with_different_real_pictures_of_each_class(distilled, data):
    _, found = distilled(*STILL, ipc=10)
    rows = rows_of(data, found)
    assert len(set(rows)) == 20
    assert data.labels[rows].tolist() == ["a"] * 10 + ["b"] * 10


def test_begins_with_noise(distilled, data):
    _, found = distilled(*STILL, "--init", "noise", ipc=99)
    assert found.pixels.shape[0] == 198
    assert abs(found.pixels.mean()) < 0.05
    assert abs(found.pixels.std() - 1) < 0.05


def test_dc_begins_with_noise_as_published(distilled, data):
    assert rows_of(data, distilled(*STILL, method="dc")[1]) == [None] * 4


def test_begins_with_the_first_picks_of_a_selection(distilled, data, tmp_path):
    picks = [20, 3, 15, 0, 22, 13]
    path = tmp_path / "picks.txt"
    path.write_text("".join(f"{row}\n" for row in picks))
    _, found = distilled(*STILL, "--init", f"coreset:{path}")
    assert rows_of(data, found) == [20, 15, 3, 0]


def test_learns_from_a_subset_alone(distilled, data, run_cli, tmp_path):
    path = tmp_path / "rows.txt"
    path.write_text("".join(f"{row}\n" for row in [2, 23, 5, 17, 9, 14]))
    _, found = distilled(*STILL, "--real-subset", path, ipc=3)
    assert [set(rows_of(data, found)[:3]), set(rows_of(data, found)[3:])] == [
        {14, 17, 23},
        {2, 5, 9},
    ]
    whole, part = distilled("-f")[1], distilled("-f", "--real-subset", path)[1]
    assert part.mean == whole.mean
    assert not np.array_equal(part.pixels, whole.pixels)


def test_the_grid_shows_every_image_in_the_row_of_its_class(distilled, tmp_path):
    plot = tmp_path / "grid.png"
    _, found = distilled("--plot", plot, ipc=3)
    with Image.open(plot) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (2 * 50 + 2, 3 * 50 + 2)  # 8 pixels 6 times larger, and gaps of 2
    for row in range(2):
        for column in range(3):
            tile = sheet[2 + 50 * row : 50 + 50 * row, 2 + 50 * column : 50 + 50 * column]
            assert np.array_equal(tile[3::6, 3::6], visible(found)[3 * row + column, :, :, 0])


def test_colour_and_sizes_that_differ(distilled, tmp_path):
    rng = np.random.default_rng(2)
    sides = [8] * 9 + [12]
    images = [png(rng.integers(0, 256, (side, side, 3), np.uint8)) for side in sides]
    pq.write_table(pa.table({"image": images, "label": [0, 1] * 5}), tmp_path / "data.parquet")
    plot = tmp_path / "grid.png"
    result, found = distilled("--plot", plot, path=tmp_path / "data.parquet")
    assert found.pixels.shape == (4, 3, 8, 8)
    assert result.err.count("1 of 10 images were resized to 8×8") == 1
    with Image.open(plot) as image:
        assert image.mode == "RGB"


@pytest.mark.parametrize("method", ["dm", "dsa"])
def test_stopped_and_continued_it_is_one_run(data, tmp_path, method):
    settings = {} if method == "dm" else {"steps": "2", "epochs": "1"}
    one = distill(
        request_of(data, tmp_path / "one.parquet", method=method, settings=settings), unwatched
    )
    out = tmp_path / "syn.parquet"
    request = request_of(data, out, method=method, settings=settings)
    seen = []
    for stop in (2, 4):

        def stopping(stage, done, total, detail="", stop=stop):
            seen.append((stage, done, total, detail))
            if stage == "distilling" and done == stop:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            distill(request, stopping)
        assert not out.exists()
        assert (request.partial / "state.npz").is_file()
    end = distill(request, unwatched)
    assert end.content_digest == one.content_digest
    assert end.facts["iterations"] == 5
    assert "continued after outer iteration 4 of an earlier run" in end.warnings
    assert not request.partial.exists()
    done = [(done, total) for stage, done, total, _ in seen if stage == "distilling"]
    assert done == [(1, 5), (2, 5), (3, 5), (4, 5)]
    assert all(detail.startswith("loss ") for stage, *_, detail in seen if stage == "distilling")


def stop_at_once(stage, done, total, detail=""):
    if stage == "distilling":
        raise KeyboardInterrupt


def test_unfinished_work_of_another_run_is_left_alone(data, out, run_cli):
    with pytest.raises(KeyboardInterrupt):
        distill(request_of(data, out), stop_at_once)
    words = ("distill", data.path, "-m", "dm", "--ipc", 2, "-o", out, *SMALL, "--iterations", 6)
    result = run_cli(*words)
    assert result.code == 3
    assert "iterations was 5, now it is 6; use --force" in result.err
    result = run_cli(*words, "--force")
    assert result.code == 0, result.err
    assert "continued" not in result.err


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04", b"nothing of the kind"])
def test_a_damaged_state_is_begun_again(data, out, tmp_path, damage):
    one = distill(request_of(data, tmp_path / "one.parquet"), unwatched)
    request = request_of(data, out)
    with pytest.raises(KeyboardInterrupt):
        distill(request, stop_at_once)
    (request.partial / "state.npz").write_bytes(damage)
    end = distill(request, unwatched)
    assert end.content_digest == one.content_digest
    assert end.warnings == one.warnings


def test_a_checkpoint_is_written_every_so_many_iterations(data, out):
    request = request_of(data, out, checkpoint_every=2)
    there = []

    def looking(stage, done, total, detail=""):
        if stage == "distilling":
            there.append((request.partial / "state.npz").exists())

    distill(request, looking)
    assert there == [False, False, True, True, True]


def test_numbers_that_break_keep_the_last_good_state(data, out):
    """Without a norm, each iteration overshoots the one before many times over."""
    model = "convnet:width=4,depth=1,norm=none"
    request = request_of(data, out, model=model, settings={"rate": "1e5"}, iterations=50)
    with pytest.raises(NotFinite, match="begin again with --force") as stop:
        distill(request, unwatched)
    assert "lower the rate (--set rate=10000)" in str(stop.value)
    assert not out.exists()
    state = request.partial / "state.npz"
    assert f"{state} holds the state after outer iteration" in str(stop.value)
    with np.load(state) as arrays:
        assert np.isfinite(arrays["pixels"]).all()
        assert f"outer iteration {len(arrays['losses'])};" in str(stop.value)


def test_numbers_that_break_end_with_3(run_cli, data, out):
    result = run_cli(
        "distill", data.path, "-m", "dm", "--ipc", 1, "-o", out, *SMALL, "--set", "rate=1e38"
    )
    assert result.code == 3
    assert "same command" not in result.err
    assert "a finite" in result.err or "finite pixels" in result.err


def test_a_dry_run_writes_nothing_and_says_what_it_costs(run_cli, data, out):
    words = ("distill", data.path, "-m", "dsa", "--ipc", 2, "-o", out, *SMALL)
    plan = json.loads(run_cli(*words, "--dry-run", "--json").out)
    assert (plan["rows"], plan["classes"], plan["ipc"], plan["steps"]) == (24, 2, 2, 2)
    assert (plan["iterations"], plan["init"]) == (1000, "real")
    assert plan["bytes"] == 4 * 4 * 64
    assert plan["seconds"] == pytest.approx(1000 * plan["iteration_seconds"])
    assert 0 < plan["memory"] < 8 << 30
    result = run_cli(*words, "--dry-run", "--iterations", 3)
    assert result.code == 0
    assert "3 outer iterations of 2 steps" in result.out
    assert "nothing was written" in result.out
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (("-m", "dmm"), "did you mean dm?", 2),
        (("-m", "zzz"), ("unknown method 'zzz'", "there are dc, dm, dsa"), 2),
        (("--set", "rat=1"), "did you mean rate?", 2),
        (("--set", "rate=0"), "rate cannot be 0.0", 2),
        (("--set", "target=median"), "target cannot be 'median'", 2),
        (("--set", "augmentation=color_crp"), "did you mean crop?", 2),
        (("--model", "convnt"), "did you mean convnet?", 2),
        (("--init", "zeros"), ("--init cannot be 'zeros'", "coreset:SELECTION"), 2),
        (("--init", "coreset:none.txt"), "none.txt", 2),
        (("--real-subset", "none.txt"), "none.txt", 2),
        (("--plot", "grid.jpg"), "drawn as .png", 2),
        (("--iterations", "0"), ("--iterations", "greater than or equal to 1"), 2),
        (("--checkpoint-every", "0"), ("--checkpoint-every", "greater than or equal to 1"), 2),
        (("--label", "kind"), "kind", 2),
        (("--max-memory", "513M"), "--max-memory", 4),
    ],
)
def test_refused(refused, arguments, told, code):
    refused(*arguments, told=told, code=code)


def test_too_few_images_of_a_class(refused):
    words = ("class 'a' has 10 images", "11 are needed", "--init noise")
    refused(told=words, code=2, ipc=11)
    refused(told="ipc", code=2, ipc=0)


def test_too_few_picks_of_a_class(refused, tmp_path):
    path = tmp_path / "picks.txt"
    path.write_text("0\n1\n2\n20\n")
    refused("--init", f"coreset:{path}", told=("class 'a' has 1 picks in", "2 are needed"), code=2)
    refused("--real-subset", path, told="class 'a' has 1 images", code=2)
    path.write_text("0\n1\n2\n")
    refused("--real-subset", path, told="no row of class 'a' (1 of 2 classes", code=2)
    path.write_text("0\n24\n")
    refused("--real-subset", path, told="lists row 24", code=3)


def test_labels_missing(refused, data):
    refused(told=("has no labels", "--label"), code=2, path=data.folder / "bare.parquet")


def test_vectors_are_no_images(refused, tmp_path):
    np.save(tmp_path / "emb.npy", np.eye(4, dtype=np.float32))
    refused(told="holds vectors", code=3, path=tmp_path / "emb.npy")


def test_outputs_that_cannot_be(run_cli, data, out, tmp_path):
    def code(*words):
        result = run_cli("distill", data.path, "-m", "dm", "--ipc", 1, *SMALL, *words)
        return result.code, result.err

    assert code("-o", tmp_path / "syn.npy")[0] == 2
    assert "written as .parquet" in code("-o", tmp_path / "syn.npy")[1]
    assert code("-o", data.path, "-f")[0] == 2
    out.write_text("mine")
    assert code("-o", out)[0] == 2
    assert out.read_text() == "mine"
    assert code("-o", tmp_path / "none" / "syn.parquet")[0] == 2
