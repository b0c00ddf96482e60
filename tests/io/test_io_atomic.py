import os
import signal
import subprocess
import sys

import pytest

from coreset_cli.errors import DiskFull, FileMissing, OutputExists
from coreset_cli.io.atomic import disk_errors, refuse_existing, whole_file, write_text

WRITER = """
import resource, signal, sys, time
from pathlib import Path
from coreset_cli.errors import CoresetError
from coreset_cli.io.atomic import whole_file

def leave(number, frame):
    sys.exit(143)

signal.signal(signal.SIGTERM, leave)
if sys.argv[2] == "full":
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    with whole_file(Path(sys.argv[1])) as part, part.open("wb") as file:
        file.write(b"x" * 5000)
        file.flush()
        print("holding", flush=True)
        time.sleep(30)
except CoresetError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.fixture
def hold(tmp_path):
    """A child that has written half of `out` and waits."""
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "out", "wait"], stdout=subprocess.PIPE
    )
    assert child.stdout.readline() == b"holding\n"
    yield child
    child.kill()
    child.wait()
    child.stdout.close()


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_nothing_has_the_final_name_before_the_end(tmp_path, hold):
    (part,) = names(tmp_path)
    assert part.startswith(".out.")
    assert part.endswith(".part")


def test_kill_leaves_no_file_under_the_final_name(tmp_path, hold):
    hold.send_signal(signal.SIGKILL)
    assert hold.wait() == -signal.SIGKILL
    assert "out" not in names(tmp_path)


def test_terminate_leaves_nothing(tmp_path, hold):
    hold.send_signal(signal.SIGTERM)
    assert hold.wait() == 143
    assert names(tmp_path) == []


def test_a_file_that_was_there_survives_a_kill(tmp_path):
    (tmp_path / "out").write_text("old")
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, tmp_path / "out", "wait"], stdout=subprocess.PIPE
    )
    with child.stdout:
        assert child.stdout.readline() == b"holding\n"
        child.kill()
        child.wait()
    assert (tmp_path / "out").read_text() == "old"


def test_a_full_disk_is_exit_4_and_leaves_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", WRITER, tmp_path / "out", "full"], capture_output=True
    )
    assert done.returncode == 4, done.stderr
    assert b"no space left" in done.stdout
    assert str(tmp_path / "out").encode() in done.stdout
    assert names(tmp_path) == []


ARROW = """
import resource, sys
import numpy as np, pyarrow as pa
from pathlib import Path
from coreset_cli.errors import CoresetError
from coreset_cli.io.matrix import spool
from coreset_cli.io.parquet import write_parquet

resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
values = np.random.default_rng(0).normal(size=(20_000, 4))
try:
    if sys.argv[1] == "parquet":
        write_parquet(Path(sys.argv[2]), pa.table({"a": values[:, 0], "b": values[:, 1]}))
    else:
        spool("emb", [values])
except CoresetError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("kind", ["parquet", "spool"])
def test_a_full_disk_is_exit_4_for_parquet_and_temporary_copies(tmp_path, kind):
    done = subprocess.run(
        [sys.executable, "-c", ARROW, kind, tmp_path / "out"],
        capture_output=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert done.returncode == 4, done.stderr
    assert b"no space left" in done.stdout
    assert names(tmp_path) == []


def test_an_error_in_the_block_leaves_what_was_there(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")

    def write_half():
        with whole_file(path) as part:
            part.write_text("half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "old"
    assert names(tmp_path) == ["out"]


def test_who_reads_the_old_file_reads_it_to_the_end(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    with path.open() as reader:
        write_text(path, "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"


def test_the_longest_name_a_folder_takes(tmp_path):
    path = tmp_path / ("ä" * 127)
    write_text(path, "whole")
    assert path.read_text() == "whole"
    assert names(tmp_path) == [path.name]


def test_outputs_that_cannot_be(tmp_path):
    path = tmp_path / "out"
    path.write_text("old")
    refuse_existing(tmp_path / "new", force=False)
    refuse_existing(path, force=True)
    with pytest.raises(OutputExists, match="--force"):
        refuse_existing(path, force=False)
    with pytest.raises(OutputExists, match="folder"):
        refuse_existing(tmp_path, force=True)
    with pytest.raises(OutputExists, match="device"):
        refuse_existing(tmp_path / os.devnull, force=True)
    with pytest.raises(FileMissing, match="create it"):
        refuse_existing(tmp_path / "none" / "out", force=False)
    with pytest.raises(FileMissing, match="name too long"):
        refuse_existing(tmp_path / ("x" * 300), force=False)


def test_a_bug_is_not_called_a_full_disk(tmp_path):
    with pytest.raises(OSError, match="5"), disk_errors(tmp_path):
        raise OSError(5, "Input/output error")
    with pytest.raises(DiskFull), disk_errors(tmp_path):
        raise OSError(28, "No space left on device")
