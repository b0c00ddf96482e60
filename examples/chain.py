"""From noisy images to a trained network, through every stage.

What it shows: a proxy network is trained on all noisy rows, its features are the embedding, a part
of the rows is selected by them, and networks are trained on the images kept: the proxy's own kind,
and others that the selection has never seen. Three conditions: `clean`; `noisy`, with 40 % of the
labels wrong; `dirty`, with a fifth of the images damaged as well. Random rows (stratified) and all
rows stand beside every method.

    python examples/chain.py out/                                    # digits, half a minute
    python examples/chain.py out/ --cifar10n DATA --proxy resnet18:width=16 --recipe quick:epochs=12
    python examples/chain.py out/ --cifar10n DATA --proxy resnet18 --recipe gm-cifar --seeds 3

`DATA` holds `cifar10/train.parquet`, `cifar10/test.parquet` (columns `image`, `label`) and
`cifar10n/labels.parquet` (column `worse_label`: one human annotator an image, 40 % wrong). The last
line is for a GPU. Every step leaves a file in `out/` and is not done again; trained models are kept
by `coreset evaluate`, so a run that was cut off goes on where it stopped.
"""

import argparse
import io
import json
import sys
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq

from coreset_cli.cli.app import run

METHODS = ("gm", "herding", "moderate")
RATIOS = ("0.1", "0.2", "0.3")
MIDDLE = RATIOS[1]

PUBLISHED = {
    "clean": ("gm", "moderate", "random", "herding"),
    "noisy": ("gm", "herding", "moderate", "random"),
    "dirty": ("gm", "herding", "moderate", "random"),
}
"""Best first, at 20 % of CIFAR-100 with ResNet-50: clean, with 20 % wrong labels, 20 % damaged
images (Acharya et al., "Geometric Median Matching", ICML 2025; all but gm are reprinted there from
Xia et al., "Moderate coreset", ICLR 2023). For CIFAR-10 nothing is published.
"""


@dataclass(frozen=True)
class Setting:
    """What is trained, and for how long.

    Args:
        proxy: the network that embeds, and the first that is trained on selections.
        others: networks for transfer, at the middle budget.
        recipe: of the proxy.
        retrain: of networks on selections.
        conditions: of the training rows.
        seeds: of selections and trainings.
        device: where.
    """

    proxy: str = "convnet:width=16"
    others: tuple[str, ...] = ("lenet",)
    recipe: str = "quick:epochs=10,batch=32"
    retrain: str = "quick:epochs=10,batch=32"
    conditions: tuple[str, ...] = ("noisy", "dirty")
    seeds: int = 1
    device: str = "auto"


def main(out: Path, setting: Setting, cifar10n: Path | None = None, rows: int = 50_000) -> None:
    """Run all stages and print one table a condition."""
    out.mkdir(parents=True, exist_ok=True)
    clean, noisy, dirty = (out / f"{name}.parquet" for name in ("clean", "noisy", "dirty"))
    if cifar10n is None:
        test = "digits:test"
        step(clean, "corrupt", "digits:train", "--images", "mixed=0")
        step(noisy, "corrupt", clean, "--labels", "symmetric=0.4")
    else:
        test = str(cifar10n / "cifar10" / "test.parquet")
        human_noise(cifar10n, rows, clean, noisy)
    step(dirty, "corrupt", noisy, "--images", "mixed=0.2")
    for name in setting.conditions:
        condition(out / f"{name}.parquet", test, setting)


def condition(train: Path, test: str, setting: Setting) -> None:
    """Proxy, vectors, selections and networks of one training set."""
    proxy, vectors = train.with_suffix(".proxy.pt"), train.with_suffix(".emb.parquet")
    seen = "clean" if train.stem == "clean" else "corrupted"
    data = ["--train", train, "--test", test, "--proxy-data", seen]
    data += ["--device", setting.device]
    report = train.with_suffix(".proxy.json")
    model = ["--model", setting.proxy, "--recipe", setting.recipe]
    if not proxy.exists():
        save = ["--save-model", proxy, "--force"]
        step(report, "evaluate", *data, *model, *save, "--baselines", "full", "--seeds", 1)
    full = json.loads(report.read_text())["cells"][0]
    print(f"\n{train.stem}: proxy {setting.proxy}, {full['k']:,} rows, recipe {setting.recipe}")
    print(f"  test accuracy {100 * full['accuracy']:.1f} %")
    step(vectors, "embed", train, "--encoder", f"checkpoint:{proxy}", "--device", setting.device)
    methods = [word for name in METHODS for word in ("--method", name)]
    for network in (setting.proxy, *setting.others):
        wanted = RATIOS if network == setting.proxy else (MIDDLE,)
        ratios = [word for ratio in wanted for word in ("--ratio", ratio)]
        model = ["--model", network, "--recipe", setting.retrain, "--seeds", setting.seeds]
        model += ["--baselines", "random"]
        name = network.replace(":", "_").replace("=", "")
        report = train.with_suffix(f".{name}.json")
        step(report, "evaluate", *data, *model, *methods, *ratios, "--embeddings", vectors)
        print_cells(report, network)
        if network == setting.proxy:
            print_order(report, train.stem)


def print_cells(report: Path, network: str) -> None:
    """Accuracy of every method at every budget, with the gain over random."""
    cells = json.loads(report.read_text())["cells"]
    budgets = sorted({cell["k"] for cell in cells if cell["kind"] != "full"})
    print(f"  {network:<22}" + "".join(f"{f'{k:,} rows':>26}" for k in budgets))
    for name in dict.fromkeys(cell["name"] for cell in cells if cell["kind"] != "full"):
        line = f"  {name:<22}"
        for k in budgets:
            cell = next(c for c in cells if (c["name"], c["k"]) == (name, k))
            gain = cell["gain_interval"]
            between = f" ({100 * gain['low']:+.1f} … {100 * gain['high']:+.1f})" if gain else ""
            line += f"{100 * cell['accuracy']:.1f}{between}".rjust(26)
        print(line, flush=True)


def print_order(report: Path, name: str) -> None:
    """Hold the order of the methods at the middle budget against the published one."""
    cells = json.loads(report.read_text())["cells"]
    k = sorted({cell["k"] for cell in cells})[RATIOS.index(MIDDLE)]
    at = {cell["name"]: cell["accuracy"] for cell in cells if cell["k"] == k}
    here = sorted(at, key=lambda method: -at[method])
    print(f"  order at {k:,} rows: {' > '.join(here)}")
    print(f"  published, CIFAR-100 at 20 %: {' > '.join(PUBLISHED[name])}", flush=True)


def human_noise(data: Path, rows: int, clean: Path, noisy: Path) -> None:
    """The first rows of CIFAR-10, once more under the labels of one human annotator each."""
    if noisy.exists():
        return
    table = pq.read_table(data / "cifar10" / "train.parquet").slice(0, rows)
    human = pq.read_table(data / "cifar10n" / "labels.parquet")["worse_label"].slice(0, rows)
    pq.write_table(table, clean)
    table = table.rename_columns({"label": "clean_label"}).append_column("label", human)
    pq.write_table(table, noisy)


def step(output: Path, *words: object) -> None:
    """Run one command of `coreset`, unless what it writes is there."""
    if output.exists():
        return
    with redirect_stdout(io.StringIO()):
        code = run([*map(str, words), "--output", str(output), "--quiet"])
    if code:
        sys.exit(code)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("out", type=Path)
    parser.add_argument("--cifar10n", type=Path, metavar="DATA")
    parser.add_argument("--rows", type=int, default=50_000)
    parser.add_argument("--proxy", default=Setting.proxy)
    parser.add_argument("--others", nargs="*", default=list(Setting.others))
    parser.add_argument("--recipe", default=Setting.recipe)
    parser.add_argument("--retrain", default=None, help="by default as --recipe")
    parser.add_argument("--conditions", nargs="*", default=list(Setting.conditions))
    parser.add_argument("--seeds", type=int, default=Setting.seeds)
    parser.add_argument("--device", default=Setting.device)
    given = parser.parse_args()
    main(
        given.out,
        Setting(
            proxy=given.proxy,
            others=tuple(given.others),
            recipe=given.recipe,
            retrain=given.retrain or given.recipe,
            conditions=tuple(given.conditions),
            seeds=given.seeds,
            device=given.device,
        ),
        given.cifar10n,
        given.rows,
    )
