"""Signals of a training loop of one's own: which of these labels are wrong?

What it shows: handwritten digits of which a fifth are labelled wrong train a small network, in a
loop as anyone writes it: a shuffling loader, noise as augmentation, mixed precision, a last batch
of another size. A `Recorder` takes the logits of every step, and `coreset select` picks by them.
Rows whose margin was large all along (`aum`, its high end) are labelled right; those at the other
end are mostly not.

    python examples/record_signals.py out/

writes digits.npy, labels.npy and signals.parquet, and prints the commands and what was picked, in
a few seconds.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from _arrays import drawn, uniforms
from _drawing import print_table
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from coreset_cli.artifacts.digits import load_digits
from coreset_cli.cli.app import run
from coreset_cli.seeds import Rng
from coreset_cli.training.networks import Network
from coreset_cli.training.record import Recorder

CLASSES, WRONG, EPOCHS = 10, 0.2, 12


def noisy_digits(rng: Rng) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.bool_]]:
    """[n, 64] pixels, [n] labels, and [n] which of them are wrong."""
    pixels, table = load_digits("digits:train")
    labels = table["label"].to_numpy()
    n = len(labels)
    wrong = drawn(rng, "mislabelled", n, int(WRONG * n))
    step = 1 + (uniforms(rng, "wrong class", n) * (CLASSES - 1)).astype(np.int64)
    return pixels, np.where(wrong, (labels + step) % CLASSES, labels), wrong


def train(pixels: NDArray[np.float32], labels: NDArray[np.int64]) -> Recorder:
    """A loop of one's own; the two lines that name the recorder are all that is added to it."""
    rows, targets = torch.from_numpy(pixels), torch.from_numpy(labels)
    torch.manual_seed(0)
    network = Network(nn.Sequential(nn.Linear(64, 64), nn.ReLU()), nn.Linear(64, CLASSES))
    optimiser = torch.optim.SGD(network.parameters(), lr=0.05, momentum=0.9)
    numbered = TensorDataset(torch.arange(len(rows)), rows, targets)
    loader = DataLoader(numbered, batch_size=128, shuffle=True)
    recorder = Recorder(n=len(rows), classes=CLASSES, epochs=EPOCHS)
    for epoch in range(EPOCHS):
        for numbers, batch, classes in loader:
            augmented = batch + 0.1 * torch.randn_like(batch)
            with torch.autocast("cpu", torch.bfloat16):
                logits = network(augmented)
                loss = functional.cross_entropy(logits, classes)
            recorder(epoch, numbers, logits, classes)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
    recorder.snapshot(EPOCHS, network, rows.split(512))  # for methods that read `last`
    return recorder


def main(out: Path) -> dict[str, float]:
    """Train, record, select; print and return the share of wrong labels among the picks."""
    out.mkdir(parents=True, exist_ok=True)
    pixels, labels, wrong = noisy_digits(Rng(0))
    np.save(out / "digits.npy", pixels)
    np.save(out / "labels.npy", labels)
    train(pixels, labels).write(out / "signals.parquet", network="a perceptron")
    shares = {"all rows": float(wrong.mean())}
    for end in ("high", "low"):
        words = ["select", str(out / "digits.npy"), "--label", str(out / "labels.npy")]
        words += ["--method", "aum", "--set", f"keep={end}", "--ratio", "0.1", "--force", "--quiet"]
        words += ["--signals", str(out / "signals.parquet"), "-o", str(out / f"{end}.npy")]
        print("coreset", *words)
        if run(words) != 0:
            raise SystemExit(f"no selection of the {end} end")
        shares[f"keep={end}"] = float(wrong[np.load(out / f"{end}.npy")].mean())
    print_table(["aum", "wrong labels"], [[name, f"{v:.1%}"] for name, v in shares.items()])
    return shares


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
