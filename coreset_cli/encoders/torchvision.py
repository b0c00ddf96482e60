"""Networks of torchvision: what their last layer reads, with the transforms of their weights."""

import os
import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from coreset_cli.encoders.preprocess import library_transform
from coreset_cli.encoders.spec import EncoderSpec, First, Modality, one_of
from coreset_cli.encoders.weights import Inquiry, file_sha256, load_state, loading
from coreset_cli.errors import InvalidParameter, WeightsUnavailable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from coreset_cli.encoders.encoder import Encoder

__all__ = ["make", "require"]

BATCH = 64
SAMPLE = (3, 256, 256)
"""Of an image as the networks take it; a few take more."""

SERVER = "https://download.pytorch.org"


def require(spec: EncoderSpec, modality: Modality) -> None:
    """Look for the weights.

    Raises:
        InvalidParameter: texts, no such model or tag, or no weights named: the tags are listed.
        WeightsUnavailable: a tag that was not downloaded, and no network.
    """
    if modality != "image":
        raise InvalidParameter("torchvision encodes images; for texts use open_clip")
    if spec.file is not None:
        return
    inquiry = Inquiry(SERVER)
    if spec.weights and (files := _files(spec.model)) and not _cached(files):
        inquiry.require_answer(spec.text, _remedy(spec))
    from torchvision import models

    one_of(spec.model, models.list_models(module=models), "torchvision model")
    tags = [weights.name for weights in models.get_model_weights(spec.model)]
    if not spec.weights:
        raise InvalidParameter(
            f"--encoder {spec.text} names no weights; write torchvision:{spec.model}@FILE"
            + "".join(f", or @{tag}" for tag in tags)
        )
    one_of(spec.weights, tags, f"weights of torchvision:{spec.model}")
    if not _cached([Path(_url(spec)).name]):
        inquiry.require_answer(spec.text, _remedy(spec))


def make(spec: EncoderSpec, modality: Modality, device: "torch.device", first: First) -> "Encoder":
    """Load a network and take its last layer away.

    Raises:
        InvalidParameter: no such model.
        ArtifactError: the file is damaged or of another model.
        WeightsUnavailable: the download failed.
    """
    import torch
    from torchvision import models

    from coreset_cli.encoders.encoder import Encoder, live_bytes, settled, upright, weight_bytes

    one_of(spec.model, models.list_models(module=models), "torchvision model")
    path = spec.file or _fetched(spec)
    state = load_state(path, spec.text)
    classes = next(reversed([value for value in state.values() if value.ndim])).shape[0]
    with loading(path, spec.text):
        network = models.get_model(spec.model, weights=None, num_classes=classes)
        network.load_state_dict(state)
    width = _behead(network, spec)
    tags = list(models.get_model_weights(spec.model))
    # A local file does not say its tag; the transforms of the first are those of the architecture.
    weights = next((tag for tag in tags if tag.name == spec.weights), tags[0])
    network = settled(network, device).to(memory_format=torch.channels_last)

    def forward(batch: "Tensor") -> "Tensor":
        return network(upright(batch))

    probe = torch.zeros(1, *SAMPLE, device=device)
    return Encoder(
        text=spec.text,
        width=width,
        batch=BATCH,
        digest=file_sha256(path),
        prepare=library_transform(weights.transforms()),
        forward=forward,
        device=device,
        sample_bytes=probe.nbytes,
        weight_bytes=weight_bytes(network),
        live_bytes=live_bytes(network, forward, probe),
    )


def _behead(network: "nn.Module", spec: EncoderSpec) -> int:
    """Replace the last linear layer by nothing, and say what it read.

    Raises:
        InvalidParameter: the last layer is another.
    """
    from torch import nn

    linear = [
        (name, layer) for name, layer in network.named_modules() if isinstance(layer, nn.Linear)
    ]
    if not linear:
        raise InvalidParameter(
            f"torchvision:{spec.model} ends in no linear layer that reads features; use another"
        )
    name, last = linear[-1]
    parent = network.get_submodule(name.rpartition(".")[0])
    setattr(parent, name.rpartition(".")[2], nn.Identity())
    return last.in_features


def _files(model: str) -> list[str]:
    """Names of the files of a model's weights.

    Importing torchvision takes seconds, and all of them to say that weights are not there, so its
    source is searched for the addresses.
    """
    found = find_spec("torchvision")
    assert found is not None
    address = re.compile(rf"{SERVER}/models/({re.escape(model)}-[0-9a-f]+\.pth)")
    folders = [Path(folder) / "models" for folder in found.submodule_search_locations or ()]
    return sorted(
        name
        for folder in folders
        for source in folder.glob("*.py")
        for name in address.findall(source.read_text(encoding="utf-8"))
    )


def _cache() -> Path:
    """Where torch keeps what it downloads; `torch.hub` says so too, but takes seconds to load."""
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    home = os.environ.get("TORCH_HOME", f"{cache}/torch")
    return Path(home).expanduser() / "hub" / "checkpoints"


def _cached(names: Sequence[str]) -> Path | None:
    """The first of some files that was downloaded before."""
    return next((_cache() / name for name in names if (_cache() / name).is_file()), None)


def _fetched(spec: EncoderSpec) -> Path:
    url = _url(spec)
    name = Path(url).name
    found = _cached([name])
    if found is not None:
        return found
    import torch

    path = _cache() / name
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(path), progress=False)
    except OSError as error:
        raise WeightsUnavailable(
            f"the weights of {spec.text} could not be downloaded ({error}); {_remedy(spec)}"
        ) from error
    return path


def _url(spec: EncoderSpec) -> str:
    from torchvision import models

    return models.get_model_weights(spec.model)[spec.weights].url


def _remedy(spec: EncoderSpec) -> str:
    files = " or ".join(_files(spec.model)) or _url(spec)
    return (
        f"download {files} from {SERVER}/models where there is a network, and use --encoder "
        f"torchvision:{spec.model}@FILE"
    )
