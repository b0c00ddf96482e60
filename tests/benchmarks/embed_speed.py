"""How fast embedding is, as ratios measured in one run: `python tests/benchmarks/embed_speed.py`.

The yardstick is the loop that a reader would write: a torch `Dataset` that decodes, a `DataLoader`
with a worker a core, the same network, vectors kept in memory and saved as
`.npy`. Both read the same real rows (`CORESET_TEST_DATA`) from the same Parquet file. `embed` also
hashes what it reads, loads the checkpoint, keeps finished parts and writes ids and labels. The
loading of libraries is in neither; ratios travel better than this machine's rates.
"""

import datetime
import io
import os
import platform
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before torch, as `coreset` itself does

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from coreset_cli import __version__
from coreset_cli.commands.embed import Request, embed
from coreset_cli.commands.embedding.feed import THREADS
from coreset_cli.training.checkpoint import Card, save_checkpoint
from coreset_cli.training.networks import Network, build, network_spec

NETWORKS = {"convnet:width=8": 10_000, "resnet18": 512}
"""Rows of each: enough for some seconds."""

BATCH = 256
WORKERS = os.cpu_count() or 1
MEAN, STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
REPEATS = 2


class Rows(Dataset):
    """Rows of a Parquet file, decoded one by one."""

    def __init__(self, images: list[bytes]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> torch.Tensor:
        image = np.array(Image.open(io.BytesIO(self.images[row])).convert("RGB"))
        return torch.from_numpy(image).permute(2, 0, 1).float().div(255)


def main() -> None:
    """Measure and print."""
    source = Path(os.environ["CORESET_TEST_DATA"]) / "cifar10" / "train.parquet"
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    print(
        f"{datetime.date.today()} · coreset {__version__} · torch {torch.__version__} · "
        f"{platform.machine()} {platform.system()} · {device.type}, {torch.get_num_threads()} "
        f"threads · {THREADS} decode, {WORKERS} workers · CIFAR-10, 32 px · best of {REPEATS}\n"
    )
    print(
        f"{'network':<20}{'embed':>10}{'plain loop':>12}{'ratio':>8}{'decoding':>10}"
        f"{'largest difference':>20}"
    )
    for name, n in NETWORKS.items():
        print(compared(name, n, source, device))


def compared(name: str, n: int, source: Path, device: torch.device) -> str:
    """A line of the table: rows a second of both, and the share of decoding."""
    network = build(network_spec(name), classes=10, channels=3, size=32, seed=0).eval()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pq.write_table(pq.read_table(source).slice(0, n), folder / "rows.parquet")
        checkpoint(name, network, folder / "net.pt")
        request = Request(
            paths=(str(folder / "rows.parquet"),),
            output=folder / "emb.npy",
            encoder=f"checkpoint:{folder / 'net.pt'}",
            batch=BATCH,
            device=device.type,
            max_memory=8 << 30,
            force=True,
        )
        network.to(device)
        ours, plain = [], []
        for _ in range(REPEATS):
            started = time.perf_counter()
            facts = embed(request, lambda stage, done, total: None).manifest.facts
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            loop(network, folder / "rows.parquet", folder / "plain.npy", device)
            plain.append(time.perf_counter() - started)
        apart = np.abs(np.load(folder / "emb.npy") - np.load(folder / "plain.npy")).max()
    return (
        f"{name:<20}{n / min(ours):8,.0f}/s{n / min(plain):10,.0f}/s"
        f"{min(plain) / min(ours):7.2f}×{facts['decoding_share']:10.0%}{apart:20.1e}"
    )


def loop(network: Network, source: Path, output: Path, device: torch.device) -> None:
    """The plain loop."""
    images = [row["bytes"] for row in pq.read_table(source)["image"].to_pylist()]
    loader = DataLoader(Rows(images), BATCH, num_workers=WORKERS)
    mean = torch.tensor(MEAN, device=device)[:, None, None]
    std = torch.tensor(STD, device=device)[:, None, None]
    vectors = []
    with torch.inference_mode(), torch.autocast(device.type, torch.float16, device.type == "cuda"):
        for batch in loader:
            features = network.features((batch.to(device) - mean) / std)
            vectors.append(features.float().cpu().numpy())
    np.save(output, np.concatenate(vectors))


def checkpoint(name: str, network: Network, path: Path) -> None:
    """The network as `evaluate` saves it."""
    card = Card(
        network=name,
        classes=tuple(map(str, range(10))),
        channels=3,
        size=32,
        mean=MEAN,
        std=STD,
        recipe={},
        epoch=0,
        seed=0,
        labels="label",
        train={},
        facts={},
    )
    save_checkpoint(path, network, card)


if __name__ == "__main__":
    if "CORESET_TEST_DATA" not in os.environ:
        sys.exit("set CORESET_TEST_DATA to the folder of the real data")
    main()
