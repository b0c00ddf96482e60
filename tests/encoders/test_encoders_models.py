"""Each encoder gives what its library gives: the network, the preprocessing, the tokenizer."""

import numpy as np
import pytest
import torch
from PIL import Image

from coreset_cli.encoders.encoder import live_bytes
from coreset_cli.encoders.spec import encoder_spec, family_of
from coreset_cli.errors import ArtifactIncomplete, BrokenImage, InvalidParameter, SchemaMismatch
from coreset_cli.training.checkpoint import Card, save_checkpoint
from coreset_cli.training.networks import build, network_spec

CPU = torch.device("cpu")


def made(text, modality="image", first=None):
    spec = encoder_spec(text)
    family_of(spec).require(spec, modality)
    return family_of(spec).make(spec, modality, CPU, lambda: first)


def encoded(encoder, samples):
    return encoder.encode([encoder.prepare(sample) for sample in samples])


def close(found, expected):
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_open_clip_encodes_images_as_the_library_does(small_clip, pictures):
    from open_clip.transform import PreprocessCfg, image_transform_v2

    config, weights, model = small_clip
    encoder = made(f"open_clip:{config}@{weights}")
    transform = image_transform_v2(PreprocessCfg(size=(32, 32)), is_train=False)
    expected = model.encode_image(torch.stack([transform(p.convert("RGB")) for p in pictures]))
    assert encoder.width == 24
    close(encoded(encoder, pictures), expected)


@torch.inference_mode()
def test_open_clip_encodes_texts_as_the_library_does(small_clip):
    import open_clip

    config, weights, model = small_clip
    texts = ["a photo of a dog", "", "grüße " * 40]
    tokens = open_clip.get_tokenizer("small-clip")(texts)
    close(encoded(made(f"open_clip:{config}@{weights}", "text"), texts), model.encode_text(tokens))


@torch.inference_mode()
def test_timm_gives_pooled_features_after_its_own_preprocessing(small_timm, pictures):
    from timm.data import create_transform, resolve_model_data_config

    path, model = small_timm
    transform = create_transform(**resolve_model_data_config(model), is_training=False)
    batch = torch.stack([transform(picture.convert("RGB")) for picture in pictures])
    expected = model.forward_head(model.forward_features(batch), pre_logits=True)
    encoder = made(f"timm:test_resnet@{path}")
    assert encoder.width == model.num_features
    close(encoded(encoder, pictures), expected)


@torch.inference_mode()
def test_torchvision_gives_what_the_last_layer_reads(resnet18, pictures):
    from torchvision.models import ResNet18_Weights

    path, model = resnet18
    read = []
    handle = model.fc.register_forward_hook(lambda layer, inputs, output: read.append(inputs[0]))
    transform = ResNet18_Weights.IMAGENET1K_V1.transforms()
    model(torch.stack([transform(picture.convert("RGB")) for picture in pictures]))
    handle.remove()
    close(encoded(made(f"torchvision:resnet18@{path}"), pictures), read[0])


@torch.inference_mode()
@pytest.mark.parametrize("channels", [1, 3])
def test_a_checkpoint_gives_the_features_of_its_network(tmp_path, pictures, channels):
    network = build(
        network_spec("convnet:width=8"), classes=4, channels=channels, size=16, seed=5
    ).eval()
    mean, std = (0.3, 0.4, 0.5)[:channels], (0.2, 0.3, 0.25)[:channels]
    card = Card(
        network="convnet:width=8",
        classes=("a", "b", "c", "d"),
        channels=channels,
        size=16,
        mean=mean,
        std=std,
        recipe={},
        epoch=1,
        seed=5,
        labels="label",
        train={},
        facts={},
    )
    save_checkpoint(tmp_path / "net.pt", network, card)
    mode = {1: "L", 3: "RGB"}[channels]
    small = [p.resize((16, 16), Image.Resampling.BICUBIC).convert(mode) for p in pictures]
    values = np.stack([np.asarray(p).reshape(16, 16, channels) for p in small]) / 255.0
    batch = torch.tensor((values - mean) / std).permute(0, 3, 1, 2).float()
    found = encoded(made(f"checkpoint:{tmp_path / 'net.pt'}"), pictures)
    close(found, network.features(batch))


def test_pixels_are_scaled_to_one_and_no_more(pictures):
    encoder = made("pixels", first=pictures[0])
    expected = np.asarray(pictures[0]).reshape(-1) / 127.5 - 1
    close(encoded(encoder, [pictures[0]])[0], expected)
    with pytest.raises(BrokenImage, match=r"50×30.*pixels:size=40"):
        encoder.prepare(pictures[1])


def test_pixels_of_one_size_and_grey_on_demand(pictures):
    encoder = made("pixels:size=8,channels=1", first=pictures[0])
    resized = pictures[2].resize((8, 8), Image.Resampling.BICUBIC).convert("L")
    close(encoded(encoder, [pictures[2]])[0], np.asarray(resized).reshape(-1) / 127.5 - 1)


def test_a_grey_first_image_does_not_take_the_colour_of_others(pictures):
    encoder = made("pixels:size=8", first=pictures[1])
    assert encoder.width == 64
    with pytest.raises(BrokenImage, match="channels=3"):
        encoder.prepare(pictures[0])


def test_the_digest_is_of_the_weights(resnet18, tmp_path):
    import hashlib

    path, _ = resnet18
    assert (
        made(f"torchvision:resnet18@{path}").digest == hashlib.sha256(path.read_bytes()).hexdigest()
    )


@pytest.mark.parametrize("family", ["timm:test_resnet", "torchvision:resnet18", "open_clip"])
def test_weights_of_another_model_are_refused(family, tmp_path, small_clip):
    torch.save({"other.weight": torch.zeros(3, 3)}, tmp_path / "w.pt")
    name = f"open_clip:{small_clip[0]}" if family == "open_clip" else family
    with pytest.raises(SchemaMismatch, match=r"w\.pt does not hold the weights of"):
        made(f"{name}@{tmp_path / 'w.pt'}")


@pytest.mark.parametrize("family", ["timm:test_resnet", "torchvision:resnet18", "open_clip"])
@pytest.mark.parametrize("kind", ["cut", "code", "text"])
def test_damaged_weights_and_code_are_refused(family, kind, tmp_path, resnet18, small_clip):
    path = tmp_path / "w.pt"
    if kind == "cut":
        path.write_bytes(resnet18[0].read_bytes()[:100_000])
    elif kind == "code":
        torch.save({"state_dict": print}, path)
    else:
        path.write_text("no weights")
    name = f"open_clip:{small_clip[0]}" if family == "open_clip" else family
    with pytest.raises((ArtifactIncomplete, SchemaMismatch), match=r"w\.pt"):
        made(f"{name}@{path}")


def test_a_ribbon_is_no_picture(resnet18):
    encoder = made(f"torchvision:resnet18@{resnet18[0]}")
    with pytest.raises(BrokenImage, match="too narrow"):
        encoder.prepare(Image.new("L", (1, 2000)))
    assert encoder.prepare(Image.new("L", (1, 1))).shape == (3, 224, 224)


@pytest.mark.parametrize("text", ["pixels", "timm:test_resnet@w.pt", "torchvision:resnet18@w.pt"])
def test_texts_are_for_open_clip(text):
    with pytest.raises(InvalidParameter, match="for texts use open_clip"):
        made(text, "text")


def test_the_largest_layer_decides_the_memory_of_a_batch():
    network = torch.nn.Sequential(
        torch.nn.Conv2d(3, 16, 3, padding=1), torch.nn.Flatten(), torch.nn.Linear(16 * 64, 5)
    )
    found = live_bytes(network, network, torch.zeros(1, 3, 8, 8))
    assert found == 4 * (16 * 64 + 16 * 64)  # flattening reads and writes as much as it passes on
    assert not any(layer._forward_hooks for layer in network)
