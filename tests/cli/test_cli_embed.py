"""`embed` as a process: killed and continued, interrupted, without a network, without torch."""

import io
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coreset_cli.training.checkpoint import Card, save_checkpoint
from coreset_cli.training.networks import build, network_spec

PART = 2048
ROWS = 7 * PART + 100


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """Many small images, some of them broken, and a network that was trained on such."""
    folder = tmp_path_factory.mktemp("embed")
    rng = np.random.default_rng(0)
    images = []
    for values in rng.integers(0, 256, (ROWS, 8, 8), dtype=np.uint8):
        file = io.BytesIO()
        Image.fromarray(values).save(file, "PNG", compress_level=0)
        images.append(file.getvalue())
    for row in (5, 3000, ROWS - 1):
        images[row] = b"broken"
    table = pa.table({"image": images, "label": pa.array(np.arange(ROWS) % 3)})
    pq.write_table(table, folder / "data.parquet", row_group_size=1000)
    spec = network_spec("convnet:width=16")
    network = build(spec, classes=3, channels=1, size=8, seed=0)
    card = Card(
        network=spec.text,
        classes=("0", "1", "2"),
        channels=1,
        size=8,
        mean=(0.5,),
        std=(0.25,),
        recipe={},
        epoch=0,
        seed=0,
        labels="label",
        train={},
        facts={},
    )
    save_checkpoint(folder / "net.pt", network, card)
    encoder = f"checkpoint:{folder / 'net.pt'}"
    return ["embed", folder / "data.parquet", "--encoder", encoder, "--on-error", "skip", "-q"]


def stopped(arguments, partial, parts, number):
    """Run as a process, and send it a signal when so many parts are kept."""
    process = subprocess.Popen(
        [sys.executable, "-m", "coreset_cli", *map(str, arguments)], stderr=subprocess.PIPE
    )
    until = time.monotonic() + 60
    while sum(name.name[0].isdigit() for name in partial.glob("*.json")) < parts:
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < until
        time.sleep(0.002)
    process.send_signal(number)
    _, words = process.communicate(timeout=60)
    return process.returncode, words.decode()


@pytest.mark.slow
def test_killed_at_any_point_and_continued_it_is_one_run(job, tmp_path, run_cli):
    one = run_cli(*job, "-o", tmp_path / "one.npy")
    assert one.code == 5, one.err
    out = tmp_path / "emb.parquet"
    partial = tmp_path / "emb.parquet.partial"
    arguments = [*job, "-o", out]
    for parts in (1, 3):
        code, _ = stopped(arguments, partial, parts, signal.SIGKILL)
        assert code == -signal.SIGKILL
        assert not out.exists()
    code, words = stopped(arguments, partial, 4, signal.SIGINT)
    assert code == 130, words
    assert "the same command continues there" in words
    code, _ = stopped(arguments, partial, 6, signal.SIGKILL)
    assert code == -signal.SIGKILL
    left = list(partial.glob("*.npy"))
    assert len(left) >= 6
    last = run_cli(*job, "-o", out)
    assert last.code == 5, last.err
    assert last.err.splitlines()[0] == one.err.splitlines()[0]
    assert f"id 5, 3000, {ROWS - 1}" in last.err
    assert not partial.exists()
    table = pq.read_table(out)["embedding"].combine_chunks()
    found = table.flatten().to_numpy().reshape(len(table), -1)
    np.testing.assert_array_equal(found, np.load(tmp_path / "one.npy"))


def test_two_runs_do_not_share_a_folder(job, tmp_path, run_cli):
    import fcntl

    out = tmp_path / "emb.npy"
    (tmp_path / "emb.npy.partial").mkdir()
    with (tmp_path / "emb.npy.partial" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        (tmp_path / "emb.npy.partial" / "embed.json").write_text("{}")
        done = run_cli(*job, "-o", out)
    assert done.code == 2
    assert "another process is writing" in done.err


@pytest.mark.parametrize(
    ("encoder", "file"),
    [
        ("open_clip:ViT-B-32@laion2b_s34b_b79k", "open_clip_model.safetensors"),
        ("timm:resnet50@a1_in1k", "model.safetensors"),
        ("torchvision:resnet18@IMAGENET1K_V1", "resnet18-f37072fd.pth"),
    ],
)
def test_weights_that_cannot_be_had_end_the_run_within_seconds(
    encoder, file, job, tmp_path, run_process
):
    started = time.monotonic()
    done = run_process(
        *job[:2],
        "-o",
        tmp_path / "e.npy",
        "--encoder",
        encoder,
        env={
            "HF_HOME": str(tmp_path),
            "TORCH_HOME": str(tmp_path),
            "HF_ENDPOINT": "http://127.0.0.1:9",  # nobody listens there
            "HTTPS_PROXY": "http://127.0.0.1:9",
            "https_proxy": "http://127.0.0.1:9",
        },
    )
    seconds = time.monotonic() - started
    assert done.code == 4, done.err
    assert seconds < 5
    assert file in done.err
    assert f"{encoder.partition('@')[0]}@FILE" in done.err
    assert list(tmp_path.iterdir()) == []


def test_offline_is_respected(job, tmp_path, run_process):
    env = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    done = run_process(*job[:2], "-o", tmp_path / "e.npy", env=env)
    assert done.code == 4
    assert "HF_HUB_OFFLINE is set" in done.err


def test_help_needs_no_torch():
    code = (
        "import sys; from coreset_cli.cli.app import run; run(['embed', '--help']); "
        "sys.exit(bool({'torch', 'open_clip', 'pyarrow', 'PIL'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=os.environ)
    assert done.returncode == 0
    assert b"--on-error" in done.stdout
