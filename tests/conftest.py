"""Fixtures of all tests: points, real data, and the command line inside and outside this process.

Shapes written in signatures are checked at every call of a kernel, a method or a trainer, so this
file switches the check on before any of them is imported.
"""

import io
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from jaxtyping import install_import_hook
from numpy.typing import NDArray

KERNELS = sorted(Path(find_spec("coreset_cli.kernels").origin).parent.glob("[!_]*"))
CHECKED = ["coreset_cli.training", "coreset_cli.methods", "coreset_cli.condensation"] + [
    f"coreset_cli.kernels.{path.stem}" for path in KERNELS if not path.stem.startswith("machine")
]  # numba cannot compile a function that is wrapped in a check
install_import_hook(CHECKED, "beartype.beartype")

DATA = "CORESET_TEST_DATA"

for variable in [name for name in os.environ if name.startswith("CORESET_") and name != DATA]:
    del os.environ[variable]  # a developer's own defaults must not change a test

REAL_FILES = [
    "cifar10/train.parquet",
    "cifar10/test.parquet",
    "cifar10n/labels.parquet",
    "tiny-imagenet-32/train.parquet",
    "embeddings/banking77-model2vec-128.parquet",
    "embeddings/cifar10-labels-test.npy",
    "embeddings/cifar10-labels-train.npy",
    "embeddings/cifar10-resnet56-64-test.npy",
    "embeddings/cifar10-resnet56-64-train.npy",
    "embeddings/cifar10n-mobilenetv2-1280-test2k.parquet",
    "embeddings/cifar10n-mobilenetv2-1280-train10k.parquet",
    "embeddings/clip-text-2148-labels.npy",
    "embeddings/clip-text-2148x512.npy",
]


@dataclass(frozen=True)
class Result:
    """How a command ended: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[int]:
        """Stdout as row numbers, one a line; only a run that went well has any."""
        assert self.code == 0, self.err
        return [int(line) for line in self.out.splitlines()]

    @property
    def digest(self) -> str:
        """The last line on stderr."""
        return self.err.splitlines()[-1]


@pytest.fixture(scope="session", autouse=True)
def _no_cache_of_the_user(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What `evaluate` keeps goes to a folder of these tests, here and in child processes."""
    os.environ["CORESET_CACHE_DIR"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture(scope="session")
def make_points() -> Callable[[int, int, int], NDArray[np.float32]]:
    """A factory of [n, d] float32 points: three blobs of unequal size and spread."""

    def make(n: int, d: int, seed: int) -> NDArray[np.float32]:
        rng = np.random.default_rng(seed)
        centres = 3 * rng.normal(size=(3, d))
        blob = rng.choice(3, size=n, p=[0.5, 0.3, 0.2])
        spread = np.array([1.0, 0.5, 2.0])[blob, None]
        return (centres[blob] + spread * rng.normal(size=(n, d))).astype(np.float32)

    return make


@pytest.fixture
def real_data() -> Path:
    """The folder of real data sets; skipped where none is named, a failure where it has gaps."""
    if DATA not in os.environ:
        pytest.skip(f"{DATA} names no folder of real data")
    folder = Path(os.environ[DATA])
    missing = [name for name in REAL_FILES if not (folder / name).is_file()]
    if missing:
        pytest.fail(f"{DATA}={folder} lacks {', '.join(missing)}")
    return folder


@pytest.fixture
def run_cli(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    """Run the command line in this process: `run_cli("select", …, stdin=b"…") -> Result`."""
    from coreset_cli.cli.app import run

    def call(*arguments: object, stdin: bytes | None = None) -> Result:
        if stdin is not None:
            stream = io.TextIOWrapper(io.BufferedReader(io.BytesIO(stdin)))
            monkeypatch.setattr(sys, "stdin", stream)
        capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture(scope="session", autouse=True)
def heard_interrupts() -> None:
    """Children must hear an interrupt, also where the tests run as a background job."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def run_process() -> Callable[..., Result]:
    """Run `coreset` as a process of its own, for what only a process can show."""

    def call(
        *arguments: object,
        stdin: bytes | None = None,
        env: dict[str, str] | None = None,
        **settings: Any,
    ) -> Result:
        done = subprocess.run(
            [sys.executable, "-m", "coreset_cli", *map(str, arguments)],
            input=stdin,
            capture_output=True,
            env={**os.environ, **(env or {})},
            timeout=300,
            **settings,
        )
        return Result(done.returncode, done.stdout.decode(), done.stderr.decode())

    return call
