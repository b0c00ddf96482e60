"""Seconds an epoch of training takes: `python tests/benchmarks/train_speed.py`.

The yardstick is the loop of most tutorials, in the same run: a DataLoader over pictures, crops and
mirrors of torchvision one picture at a time, single precision. Real pictures of CIFAR-10 where
CORESET_TEST_DATA names the data sets, else noise of the same shape: what they show does not change
how long it takes.
"""

import datetime
import io
import os
import platform
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import torch
from PIL import Image
from torch import nn
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import v2

from coreset_cli import __version__
from coreset_cli.device import find_device
from coreset_cli.training.batches import Images, images_of
from coreset_cli.training.loop import train
from coreset_cli.training.networks import Network, build, network_spec
from coreset_cli.training.recipe import network_recipe

ROWS = 4096
BATCH = 128
NETWORKS = ("convnet:width=32", "resnet18:width=16")
DEVICE = find_device("auto")


class Pictures(Dataset):
    """Pictures with the transforms of a tutorial."""

    def __init__(self, values: np.ndarray, codes: np.ndarray, images: Images) -> None:
        self.pictures = [Image.fromarray(value) for value in values]
        self.codes = codes.tolist()
        self.transform = v2.Compose(
            [
                v2.RandomCrop(32, padding=4, padding_mode="reflect"),
                v2.RandomHorizontalFlip(),
                v2.ToImage(),
                v2.ToDtype(torch.float32, scale=True),
                v2.Normalize(images.mean.tolist(), images.std.tolist()),
            ]
        )

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> tuple[torch.Tensor, int]:
        return self.transform(self.pictures[row]), self.codes[row]


def main() -> None:
    """Measure and print."""
    values, codes, source = pictures()
    images = images_of(values, codes, device=DEVICE)
    data = Pictures(values, codes, images)
    print(
        f"{datetime.date.today()} · coreset {__version__} · torch {torch.__version__} · "
        f"{platform.machine()} {platform.system()} · {DEVICE.type}, {torch.get_num_threads()} "
        f"threads · {len(codes):,} pictures, {source}, batches of {BATCH}\n"
    )
    print(f"{'network':<20}{'loop':<26}{'s/epoch':>9}{'pictures/s':>12}{'times as fast':>15}")
    for text in NETWORKS:
        yardstick = 0.0
        for name, epochs in {
            "DataLoader, in process": lambda network, e: plainly(network, data, e, workers=0),
            "DataLoader, 2 workers": lambda network, e: plainly(network, data, e, workers=2),
            "coreset, float32": lambda network, e: ours(network, images, e, "float32"),
            "coreset": lambda network, e: ours(network, images, e, "auto"),
        }.items():
            seconds = second_epoch(text, epochs)
            yardstick = yardstick or seconds
            speed = f"{seconds:>9.2f}{len(codes) / seconds:>12,.0f}{yardstick / seconds:>15.2f}"
            print(f"{text:<20}{name:<26}{speed}", flush=True)


def second_epoch(text: str, epochs: Callable[[Network, int], list[float]]) -> float:
    """Seconds of the epoch after the one that warms up."""
    network = build(network_spec(text), classes=10, channels=3, size=32, seed=0).to(DEVICE)
    return epochs(network, 2)[-1]


def ours(network: Network, images: Images, epochs: int, precision: str) -> list[float]:
    """Our loop."""
    recipe = network_recipe(f"echo:epochs={epochs},batch={BATCH},precision={precision}")
    return [record.seconds for record in train(network, images, recipe, seed=0).history]


def plainly(network: nn.Module, data: Pictures, epochs: int, *, workers: int) -> list[float]:
    """The loop of a tutorial."""
    loader = DataLoader(
        data, BATCH, shuffle=True, num_workers=workers, persistent_workers=workers > 0
    )
    optimiser = torch.optim.SGD(
        network.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4
    )
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs * len(loader))
    loss_of = nn.CrossEntropyLoss()
    seconds = []
    for _ in range(epochs):
        started, losses, right = time.perf_counter(), 0.0, 0
        for batch, targets in loader:
            batch, targets = batch.to(DEVICE), targets.to(DEVICE)  # noqa: PLW2901 (as tutorials do)
            logits = network(batch)
            loss = loss_of(logits, targets)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            losses += loss.item() * len(targets)
            right += int((logits.argmax(1) == targets).sum())
        seconds.append(time.perf_counter() - started)
    return seconds


def pictures() -> tuple[np.ndarray, np.ndarray, str]:
    """[n, 32, 32, 3] bytes, [n] classes, and where they are from."""
    folder = os.environ.get("CORESET_TEST_DATA")
    if folder is None:
        rng = np.random.default_rng(0)
        shape = (ROWS, 32, 32, 3)
        return rng.integers(0, 256, shape, np.uint8), rng.integers(0, 10, ROWS), "noise"
    table = pq.read_table(Path(folder) / "cifar10" / "train.parquet").slice(0, ROWS)
    opened = [Image.open(io.BytesIO(cell["bytes"])) for cell in table["image"].to_pylist()]
    return np.stack([np.asarray(one) for one in opened]), table["label"].to_numpy(), "CIFAR-10"


if __name__ == "__main__":
    main()
