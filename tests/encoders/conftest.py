"""Small real networks in files, and pictures; what they give is computed with the libraries."""

import json

import numpy as np
import pytest
import torch
from PIL import Image


@pytest.fixture
def pictures():
    """Three pictures of different shapes: colour, grey, and wide."""
    rng = np.random.default_rng(0)
    return [
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
        for shape in [(40, 40, 3), (50, 30), (33, 64, 3)]
    ]


@pytest.fixture(scope="session")
def small_clip(tmp_path_factory):
    """A CLIP of two layers a tower: the files of its configuration and of its weights."""
    import open_clip

    folder = tmp_path_factory.mktemp("clip")
    config = {
        "embed_dim": 24,
        "vision_cfg": {"image_size": 32, "layers": 2, "width": 64, "patch_size": 8},
        "text_cfg": {
            "context_length": 16,
            "vocab_size": 49408,
            "width": 32,
            "heads": 2,
            "layers": 2,
        },
    }
    path = folder / "small-clip.json"
    path.write_text(json.dumps(config))
    open_clip.add_model_config(path)
    torch.manual_seed(1)
    model = open_clip.create_model("small-clip", load_weights=False).eval()
    torch.save({"state_dict": model.state_dict()}, folder / "weights.pt")
    return path, folder / "weights.pt", model


@pytest.fixture(scope="session")
def small_timm(tmp_path_factory):
    """timm's own test network with random weights, and their file."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(2)
    model = timm.create_model("test_resnet", pretrained=False).eval()
    path = tmp_path_factory.mktemp("timm") / "weights.safetensors"
    save_file(model.state_dict(), path)
    return path, model


@pytest.fixture(scope="session")
def resnet18(tmp_path_factory):
    """torchvision's ResNet-18 with random weights for seven classes, and their file."""
    from torchvision.models import resnet18 as network

    torch.manual_seed(3)
    model = network(num_classes=7).eval()
    path = tmp_path_factory.mktemp("torchvision") / "weights.pth"
    torch.save(model.state_dict(), path)
    return path, model
