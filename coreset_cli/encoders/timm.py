"""Networks of timm: pooled features, with the preprocessing that timm has for the model."""

from typing import TYPE_CHECKING, Any

from coreset_cli.encoders.preprocess import library_transform
from coreset_cli.encoders.spec import EncoderSpec, First, Modality, one_of
from coreset_cli.encoders.weights import (
    HUB,
    Inquiry,
    cached,
    download,
    file_sha256,
    load_state,
    loading,
)
from coreset_cli.errors import InvalidParameter

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from coreset_cli.encoders.encoder import Encoder

__all__ = ["make", "require"]

BATCH = 64

FILES = ("model.safetensors", "pytorch_model.bin")
"""Names of the weights in the repositories of timm."""


def require(spec: EncoderSpec, modality: Modality) -> None:
    """Look for the weights; timm itself, slow to import, is asked only where that is needed.

    Raises:
        InvalidParameter: texts, or no weights named: the tags are listed.
        WeightsUnavailable: a tag that was not downloaded, and no network.
    """
    if modality != "image":
        raise InvalidParameter("timm encodes images; for texts use open_clip")
    if not spec.weights:
        one_of(spec.model, _models(), "timm model")
        raise InvalidParameter(
            f"--encoder {spec.text} names no weights; write timm:{spec.model}@FILE"
            + "".join(f", or @{tag}" for tag in _tags(spec.model))
        )
    if spec.file is None and cached(_repository(spec), FILES) is None:
        Inquiry(HUB).require_answer(spec.text, _remedy(spec))


def make(spec: EncoderSpec, modality: Modality, device: "torch.device", first: First) -> "Encoder":
    """Load a network without its classifier.

    Raises:
        InvalidParameter: no such model or tag.
        ArtifactError: the file is damaged or of another model.
        WeightsUnavailable: the download failed.
    """
    import timm
    import torch
    from timm.data.config import resolve_model_data_config
    from timm.data.transforms_factory import create_transform

    from coreset_cli.encoders.encoder import Encoder, live_bytes, settled, upright, weight_bytes

    one_of(spec.model, _models(), "timm model")
    path, name = spec.file, spec.model
    if path is None:
        one_of(spec.weights, _tags(spec.model), f"weights of timm:{spec.model}")
        path = download(_repository(spec), FILES, spec.text, _remedy(spec))
        name = f"{spec.model}.{spec.weights}"
    network = timm.create_model(name, pretrained=False, num_classes=0)
    heads = _heads(network)
    state = load_state(path, spec.text)
    with loading(path, spec.text):
        # The classifier is not there any more, so its weights have no place.
        known = network.state_dict()
        kept = {
            key: value
            for key, value in state.items()
            if key in known or not any(key.startswith(f"{part}.") for part in heads)
        }
        network.load_state_dict(kept)
    config = resolve_model_data_config(network)
    transform = create_transform(**config, is_training=False)
    network = settled(network, device).to(memory_format=torch.channels_last)

    def forward(batch: "Tensor") -> "Tensor":
        return network(upright(batch))

    with torch.inference_mode():
        probe = torch.zeros(1, *config["input_size"], device=device)
        width = forward(probe).shape[1]
    return Encoder(
        text=spec.text,
        width=width,
        batch=BATCH,
        digest=file_sha256(path),
        prepare=library_transform(transform),
        forward=forward,
        device=device,
        sample_bytes=probe.nbytes,
        weight_bytes=weight_bytes(network),
        live_bytes=live_bytes(network, forward, probe),
    )


def _heads(network: "nn.Module") -> tuple[str, ...]:
    """Names of the classifier in the weights; some networks have two."""
    config: Any = network.pretrained_cfg
    found = config.get("classifier") or ()
    return (found,) if isinstance(found, str) else tuple(found)


def _models() -> list[str]:
    import timm

    return timm.list_models()


def _tags(model: str) -> list[str]:
    """Tags of the weights that timm knows of a model."""
    import timm

    names = timm.list_pretrained(f"{model}.*")
    return [name.partition(".")[2] for name in names]


def _repository(spec: EncoderSpec) -> str:
    return f"timm/{spec.model}.{spec.weights}"


def _remedy(spec: EncoderSpec) -> str:
    return (
        f"download {FILES[0]} from {HUB}/{_repository(spec)} where there is a network, and use "
        f"--encoder timm:{spec.model}@FILE"
    )
