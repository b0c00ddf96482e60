"""Names of encoders, and what is said of those that are not there."""

import pytest

from coreset_cli.encoders.spec import encoder_spec, family_of
from coreset_cli.errors import FileMissing, InvalidParameter


def refused(text):
    spec = encoder_spec(text)
    family_of(spec).require(spec, "image")


@pytest.mark.parametrize(
    "text",
    [
        "open_clip:ViT-B-32@laion2b_s34b_b79k",
        "timm:resnet50@some/file.pt",
        "checkpoint:a@b.pt",
        "pixels",
        "pixels:channels=1,size=28",
    ],
)
def test_a_spec_reads_as_it_is_written(text):
    assert encoder_spec(text).text == text


def test_the_file_of_a_checkpoint_may_hold_any_sign():
    assert encoder_spec("checkpoint:a@b:c.pt").model == "a@b:c.pt"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("openclip:x@y", "did you mean open_clip"),
        ("timm", "names no model; write timm:MODEL@TAG"),
        ("pixels:sise=3", "did you mean size"),
        ("pixels:size=0", "from 1 to 4096"),
        ("pixels:channels=2", "1 or 3"),
        ("open_clip:ViT-B-23@openai", r"did you mean ViT-B-\d+"),
        ("open_clip:ViT-B-32", "one of its tags: openai, laion400m_e31"),
        ("open_clip:ViT-B-32@laion2b_s34b", "did you mean laion2b_s34b_b79k"),
        ("timm:resnet50", "@a1_in1k"),
        ("torchvision:resnet18", "or @IMAGENET1K_V1"),
        ("torchvision:resnet81@IMAGENET1K_V1", "did you mean resnet18"),
    ],
)
def test_what_is_not_there_is_named_with_what_is(text, message):
    with pytest.raises(InvalidParameter, match=message):
        refused(text)


@pytest.mark.parametrize("text", ["timm:resnet50@no/w.pt", "open_clip:ViT-B-32@w.safetensors"])
def test_a_file_that_is_not_there_is_no_tag(text):
    with pytest.raises(FileMissing, match="no file"):
        refused(text)


def test_a_checkpoint_that_is_not_there():
    with pytest.raises(FileMissing, match="evaluate --save-model"):
        refused("checkpoint:no.pt")
