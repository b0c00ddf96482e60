"""How fast the selection engine is, as ratios measured in one run.

Run by `python tests/benchmarks/engine`.

Prints one Markdown document; `--write` puts exactly that into RESULTS.md. Absolute times are this
machine's; ratios within the run travel better. Sections can be run alone, by name.
"""

import argparse
import contextlib
import datetime
import platform
import sys
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import counterparts
import floor
import numba
import packages
import plain
import pool
import promise
import published
import roads
from clock import timed
from report import Copy, say
from setup import Setup, use_threads

from coreset_cli import __version__
from coreset_cli.device import find_device

RESULTS = Path(__file__).parent.parent / "RESULTS.md"

SECTIONS: dict[str, Callable[[Setup], None]] = {
    "floor": floor.measure,
    "pool": pool.measure,
    "plain": plain.measure_pool,
    "classes": plain.measure_classes,
    "published": published.measure,
    "counterparts": counterparts.measure,
    "packages": packages.measure,
    "promise": promise.measure,
    "roads": roads.measure,
}

ALONE: dict[str, Callable[[Setup], None]] = {"scale": promise.measure_scale}
"""Run only where named: they take minutes, and gigabytes of disk."""


def main() -> None:
    """Measure and print."""
    options = _options()
    use_threads(options.threads)
    setup = Setup(device=find_device(options.device), quick=options.quick)
    chosen = {name: (SECTIONS | ALONE)[name] for name in options.sections or SECTIONS}
    with contextlib.ExitStack() as stack:
        if options.write:
            file = stack.enter_context(RESULTS.open("w", encoding="utf-8"))
            stack.enter_context(contextlib.redirect_stdout(Copy(sys.stdout, file)))
        _head(setup)
        took = {name: timed(partial(section, setup))[0] for name, section in chosen.items()}
        parts = ", ".join(f"{name} {part:.0f} s" for name, part in took.items())
        say(f"Measuring took {sum(took.values()):.0f} s: {parts}.")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python tests/benchmarks/engine", description=__doc__)
    parser.add_argument("sections", nargs="*", help=f"of {', '.join(SECTIONS | ALONE)}")
    parser.add_argument("--quick", action="store_true", help="fewer shapes and picks")
    parser.add_argument("--write", action="store_true", help=f"write {RESULTS.name} as well")
    parser.add_argument("--threads", type=int, default=numba.get_num_threads())
    parser.add_argument("--device", default="cpu", help="where coreset computes: cpu, cuda, cuda:0")
    options = parser.parse_args()
    if unknown := set(options.sections) - set(SECTIONS | ALONE):
        parser.error(f"no such section: {', '.join(sorted(unknown))}")
    if options.write and options.sections:
        parser.error("--write takes the whole run; name no sections")
    return options


def _head(setup: Setup) -> None:
    versions = " · ".join(
        f"{name} {version(name)}" for name in ("torch", "numpy", "numba", "scipy", "scikit-learn")
    )
    command = "python tests/benchmarks/engine" + " --quick" * setup.quick
    say(f"# Speed of the selection engine\n\nThis file is what `{command} --write` printed.")
    say(
        f"{datetime.date.today()} · coreset {__version__} · Python {platform.python_version()} · "
        f"{versions} · {_processor()} · {setup.threads} threads · {_device(setup)}"
    )
    if setup.quick:
        say("A quick run: fewer shapes, fewer picks, shorter runs; ratios are rougher.")


def _processor() -> str:
    """Model and caches, where the system says."""
    with contextlib.suppress(OSError):
        info = Path("/proc/cpuinfo").read_text()
        fields = dict(line.split(":", 1) for line in info.splitlines() if ":" in line)
        named = {key.strip(): value.strip() for key, value in fields.items()}
        model = named.get("model name", platform.processor())
        return (
            f"{model} ({_last_cache()}{'AVX-512' if 'avx512f' in named['flags'] else 'no AVX-512'})"
        )
    return f"{platform.machine()} {platform.system()}"


def _last_cache() -> str:
    caches = sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*/size"))
    return f"last cache {caches[-1].read_text().strip()}, " if caches else ""


def _device(setup: Setup) -> str:
    if setup.device.type == "cpu":
        return "cpu"
    import torch

    return torch.cuda.get_device_name(setup.device)


if __name__ == "__main__":
    main()
