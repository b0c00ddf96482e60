import json
from dataclasses import asdict

import pytest

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.recipe import NETWORK_RECIPES, find_recipe, network_recipe

PUBLISHED = {  # methods/protocols.md, section 7
    "gm-cifar": {
        "epochs": 200,
        "batch": 128,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "nesterov": False,
        "schedule": "steps",
        "milestones": (60, 120, 160),
        "divisor": 5,
        "crop": "zero",
        "padding": 4,
        "clip": None,
    },
    "gm-tiny": {
        "epochs": 90,
        "batch": 256,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "nesterov": False,
        "schedule": "steps",
        "milestones": (30, 60),
        "divisor": 10,
        "crop": "resized",
        "part": 55,
        "clip": 1.0,
    },
    "echo": {
        "epochs": 200,
        "batch": 256,
        "learning_rate": 0.1,
        "momentum": 0.9,
        "weight_decay": 5e-4,
        "nesterov": True,
        "schedule": "cosine",
        "last_rate": 1e-4,
        "crop": "reflect",
        "padding": 4,
        "augment": "colour",
        "structure": 0.5,
        "contrast_margin": 1.0,
        "interpolate": "none",
        "support_a_epoch": "auto",
    },
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_recipes_are_the_published_ones(name):
    fields = asdict(network_recipe(name))
    assert {field: fields[field] for field in PUBLISHED[name]} == PUBLISHED[name]
    assert fields["cutout"] == fields["label_smoothing"] == 0
    assert fields["flip"] == "auto"


@pytest.mark.parametrize("name", sorted(set(NETWORK_RECIPES) - {"echo"}))
def test_echo_s_training_is_that_of_no_other_recipe(name):
    recipe = network_recipe(name)
    assert (recipe.structure, recipe.interpolate, recipe.support_a_epoch) == (0.0, "none", "all")
    assert not recipe.tells_roles


def test_roles_matter_where_support_rows_are_drawn_or_mixed():
    assert network_recipe("echo").tells_roles
    assert network_recipe("quick:support_a_epoch=7").support_a_epoch == 7
    assert network_recipe("quick:support_a_epoch=7").tells_roles
    assert not network_recipe("echo:support_a_epoch=all").tells_roles
    assert network_recipe("echo:support_a_epoch=all,interpolate=mixup").tells_roles


def test_quick_is_for_a_processor():
    recipe = network_recipe("quick")
    assert recipe.epochs <= 20
    assert recipe.schedule == "one-cycle"
    assert (recipe.augment, recipe.augment_from) == ("colour", 32)


@pytest.mark.parametrize("name", NETWORK_RECIPES)
def test_recipes_survive_json_and_know_their_names(name):
    recipe = network_recipe(name)
    assert recipe.name == name
    saved = json.loads(json.dumps(asdict(recipe)))
    assert type(recipe)(**{**saved, "milestones": tuple(saved["milestones"])}) == recipe


def test_fields_are_set_from_texts_and_the_others_stay():
    recipe = network_recipe("GM_CIFAR:epochs=30,batch=256,clip=0.5,milestones=10+20,flip=never")
    assert (recipe.name, recipe.epochs, recipe.batch, recipe.clip) == ("gm-cifar", 30, 256, 0.5)
    assert recipe.milestones == (10, 20)
    assert recipe.flip == "never"
    assert recipe.divisor == network_recipe("gm-cifar").divisor
    assert network_recipe("gm-tiny:clip=none").clip is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("quik", "did you mean quick"),
        ("linear", "there are gm-cifar, gm-tiny, echo, quick"),
        ("quick:epoch=3", "did you mean epochs"),
        ("quick:name=mine", "no parameter 'name'"),
        ("quick:epochs=0", "quick: epochs cannot be 0; it is at least 1"),
        ("quick:batch=-1", "batch"),
        ("quick:learning_rate=0", "above 0"),
        ("quick:learning_rate=inf", "above 0"),
        ("quick:momentum=1", r"in \[0, 1\)"),
        ("quick:momentum=0", "nesterov"),
        ("quick:clip=0", "above 0, or none"),
        ("quick:crop=mirror", "none, zero, reflect, resized"),
        ("gm-cifar:milestones=3+x", "takes int"),
        ("quick:part=65", "at most 64"),
        ("quick:evaluate_every=0", "at least 1"),
        ("echo:structure=-0.5", "structure cannot be -0.5; it is at least 0"),
        ("echo:contrast_margin=inf", "contrast_margin"),
        ("echo:interpolate=cut", "none, mixup"),
        ("echo:support_a_epoch=0", "at least 1"),
        ("echo:support_a_epoch=some", "takes int, or auto, all"),
    ],
)
def test_texts_that_are_no_recipe(text, message):
    with pytest.raises(InvalidParameter, match=message):
        network_recipe(text)


def test_the_linear_recipe_is_found_by_its_name():
    assert find_recipe("linear").folds == 4
    with pytest.raises(InvalidParameter, match="did you mean linear"):
        find_recipe("liner")
