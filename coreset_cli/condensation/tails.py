"""What real rows count for where a tail of their losses does, and what is remembered of cells."""

import torch
from jaxtyping import Float64, Int64
from torch import Tensor
from torch.nn import functional

from coreset_cli.condensation.condenser import Step
from coreset_cli.condensation.curvature import Answers
from coreset_cli.kernels.risk import Risk

__all__ = ["tail_weights"]


def tail_weights(
    step: Step, risk: Risk, answers: Answers, cells: Int64[Tensor, " m"]
) -> Float64[Tensor, " m"]:
    """Weights of real rows, of sum 1 and constant, from their losses.

    What cells there are is kept in the memory of the step, for the iteration under way.

    Args:
        step: where the loop is.
        risk: which rows count for more.
        answers: of the network to the rows.
        cells: [m] of the rows.
    """
    logits = answers.logits.detach().double()
    losses = functional.cross_entropy(logits, answers.targets, reduction="none")
    _note(step, losses, cells)
    found = risk.weights(losses.cpu().numpy(), cells.cpu().numpy())
    return torch.from_numpy(found).to(losses.device)


def _note(step: Step, losses: Float64[Tensor, " m"], cells: Int64[Tensor, " m"]) -> None:
    """Remember, of this iteration: cells a batch, their sizes, and the mean loss of the worst."""
    numbers, codes, sizes = cells.unique(return_inverse=True, return_counts=True)
    means = torch.zeros(len(numbers), dtype=losses.dtype, device=losses.device)
    means.index_add_(0, codes, losses).div_(sizes)
    memory = step.memory
    before = (
        memory.get("cell_batches", 0.0)
        if memory.get("cells_of_iteration") == step.iteration
        else 0.0
    )
    if before == 0:
        memory["cells_of_iteration"] = float(step.iteration)
        memory["cells"] = memory["largest_cell"] = memory["worst_cell_loss"] = 0.0
        memory["smallest_cell"] = float(len(cells))
    memory["cells"] += (len(numbers) - memory["cells"]) / (before + 1)
    memory["smallest_cell"] = min(memory["smallest_cell"], float(sizes.min()))
    memory["largest_cell"] = max(memory["largest_cell"], float(sizes.max()))
    memory["worst_cell_loss"] = max(memory["worst_cell_loss"], float(means.max()))
    memory["cell_batches"] = before + 1
    if step.iteration == 0:
        memory["worst_cell_loss_first"] = memory["worst_cell_loss"]
