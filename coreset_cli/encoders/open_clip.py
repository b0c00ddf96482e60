"""CLIP and its kin from open_clip: image and text tower, each with the model's own preprocessing.

Features are those before the normalisation to unit length. A model is a name that open_clip knows,
or the file of a configuration (`open_clip:my-model.json@FILE`).
"""

import sys
from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from coreset_cli.encoders.preprocess import library_transform
from coreset_cli.encoders.spec import EncoderSpec, First, Modality, one_of
from coreset_cli.encoders.weights import (
    HUB,
    Inquiry,
    cached,
    download,
    file_sha256,
    loading,
)
from coreset_cli.errors import FileMissing, InvalidParameter, WeightsUnavailable

if TYPE_CHECKING:
    import torch
    from torch import Tensor, nn

    from coreset_cli.encoders.encoder import Encoder

__all__ = ["make", "require"]

BATCH = 64

_PREPROCESSING = ("mean", "std", "interpolation", "resize_mode")
"""What the weights of a model say of the images that they were trained on."""


def require(spec: EncoderSpec, modality: Modality) -> None:
    """Look for the weights; open_clip itself, slow to import, is not imported.

    Raises:
        InvalidParameter: no such model or tag, or no weights named: the tags are listed.
        FileMissing: the file of a model or of weights is not there.
        WeightsUnavailable: a tag that was not downloaded, and no network.
    """
    inquiry = Inquiry(HUB) if spec.weights and spec.file is None else None
    tags: Mapping[str, Any] = {}
    if _is_file(spec.model):
        if not Path(spec.model).is_file():
            raise FileMissing(f"no file {spec.model} with the configuration of a model")
    else:
        one_of(spec.model, _models(), "open_clip model")
        tags = _tags(spec.model)
    if not spec.weights:
        raise InvalidParameter(
            f"--encoder {spec.text} names no weights; write open_clip:{spec.model}@FILE, or one of "
            f"its tags: {', '.join(tags) or 'it has none'}"
        )
    if inquiry is None:
        return
    one_of(spec.weights, list(tags), f"weights of open_clip:{spec.model}")
    repository, names = _place(spec)
    if cached(repository, names) is None:
        inquiry.require_answer(spec.text, _remedy(spec))


def make(spec: EncoderSpec, modality: Modality, device: "torch.device", first: First) -> "Encoder":
    """Load one tower.

    Raises:
        ArtifactError: the file is damaged or of another model.
        WeightsUnavailable: the download failed, or a tokenizer cannot be had.
    """
    import open_clip
    import torch
    from open_clip.transform import PreprocessCfg, image_transform_v2

    from coreset_cli.encoders.encoder import Encoder, live_bytes, settled, weight_bytes

    name = spec.model
    if _is_file(name):
        with loading(Path(name), "a model of open_clip"):
            open_clip.add_model_config(name)
        name = Path(name).stem
    path = spec.file
    if path is None:
        repository, names = _place(spec)
        path = download(repository, names, spec.text, _remedy(spec))
    model = open_clip.create_model(
        name, load_weights=False, pretrained_text=False, force_preprocess_cfg=_preprocessing(spec)
    )
    with loading(path, spec.text):
        open_clip.load_checkpoint(model, str(path), strict=True, weights_only=True)
    config = PreprocessCfg(**model.visual.preprocess_cfg)
    model = settled(model, device)
    probe: Tensor
    if modality == "image":
        prepare = library_transform(image_transform_v2(config, is_train=False))
        probe = torch.zeros(1, *config.input_size, device=device)
    else:
        tokenizer = _tokenizer(name, spec)
        prepare = lambda text: tokenizer([text])[0]  # noqa: E731 (two lines, one word each)
        probe = tokenizer([""]).to(device)
    forward = model.encode_image if modality == "image" else model.encode_text
    _forget_other_tower(model, modality)
    with torch.inference_mode():
        width = forward(probe).shape[1]
    return Encoder(
        text=spec.text,
        width=width,
        batch=BATCH,
        digest=file_sha256(path),
        prepare=prepare,
        forward=forward,
        device=device,
        sample_bytes=probe.nbytes,
        weight_bytes=weight_bytes(model),
        live_bytes=live_bytes(model, forward, probe),
    )


def _forget_other_tower(model: "nn.Module", modality: Modality) -> None:
    """Free the memory of what is not used."""
    for part in ("transformer", "text", "token_embedding") if modality == "image" else ("visual",):
        if hasattr(model, part):
            setattr(model, part, None)


def _tokenizer(name: str, spec: EncoderSpec) -> Any:  # noqa: ANN401 (open_clip has three kinds)
    import open_clip

    try:
        return open_clip.get_tokenizer(name)
    except (ImportError, OSError, ValueError) as error:
        raise WeightsUnavailable(
            f"the tokenizer of {spec.text} is not on this machine ({str(error).splitlines()[0]}); "
            "install transformers and download it once where there is a network, or use a model "
            f"with open_clip's own tokenizer, as {spec.family}:ViT-B-32"
        ) from error


def _is_file(model: str) -> bool:
    return model.lower().endswith(".json")


def _tables() -> ModuleType:
    """What open_clip knows of pretrained weights.

    Importing open_clip takes seconds, and all of them to say that weights are not there. The module
    with the tables needs nothing of the package but its constants, so it is imported below a name
    of its own, unless open_clip is there already; and it does without safetensors for torch, which
    would load torch.
    """
    if "open_clip" in sys.modules:
        return import_module("open_clip.pretrained")
    name = f"{__package__}._open_clip_tables"
    if f"{name}.pretrained" in sys.modules:
        return sys.modules[f"{name}.pretrained"]
    stub = ModuleType(name)
    found = find_spec("open_clip")
    assert found is not None
    stub.__path__ = list(found.submodule_search_locations or ())
    sys.modules[name] = stub
    is_loaded = "safetensors.torch" in sys.modules
    if not is_loaded:
        sys.modules["safetensors.torch"] = None  # type: ignore[assignment]  # not to be imported
    try:
        return import_module(f"{name}.pretrained")
    finally:
        if not is_loaded:
            del sys.modules["safetensors.torch"]


def _models() -> list[str]:
    """Names of the models, from the files of their configurations or, imported, from open_clip."""
    if "open_clip" in sys.modules:
        return sys.modules["open_clip"].list_models()
    found = find_spec("open_clip")
    assert found is not None
    folders = [Path(folder) / "model_configs" for folder in found.submodule_search_locations or ()]
    return sorted(file.stem for folder in folders for file in folder.glob("*.json"))


def _tags(model: str) -> dict[str, Mapping[str, Any]]:
    tables = _tables()
    return {
        tag: tables.get_pretrained_cfg(model, tag)
        for tag in tables.list_pretrained_tags_by_model(model)
    }


def _place(spec: EncoderSpec) -> tuple[str, list[str]]:
    """The repository of the weights of a tag, and names that their file may have."""
    tables = _tables()
    where = tables.get_pretrained_cfg(spec.model, spec.weights)["hf_hub"]
    repository, _, name = where.rpartition("/")
    name = name or tables.HF_WEIGHTS_NAME
    return repository, [*tables._get_safe_alternatives(name), name]


def _preprocessing(spec: EncoderSpec) -> dict[str, Any]:
    """How the weights want their images; for a local file, what all tags of the model agree on."""
    tags = {} if _is_file(spec.model) else _tags(spec.model)
    asked = [tags[spec.weights]] if spec.weights in tags else list(tags.values())
    return {
        key: asked[0][key]
        for key in _PREPROCESSING
        if asked and all(tag[key] == asked[0][key] for tag in asked)
    }


def _remedy(spec: EncoderSpec) -> str:
    repository, names = _place(spec)
    return (
        f"download {names[0]} (or {names[-1]}) from {HUB}/{repository} where there is a network, "
        f"and use --encoder open_clip:{spec.model}@FILE"
    )
