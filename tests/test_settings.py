import pytest

from coreset_cli.errors import InvalidParameter
from coreset_cli.settings import parse_settings, parse_spec


def test_settings_are_split_at_the_first_equals_sign():
    assert parse_settings(["a=1", "b-c = x=y "]) == {"a": "1", "b_c": "x=y"}


@pytest.mark.parametrize("settings", [["a"], ["=1"], [" =1"], ["a=1", "a=2"]])
def test_settings_that_are_none(settings):
    with pytest.raises(InvalidParameter, match="--set"):
        parse_settings(settings)


def test_a_spec_is_a_name_and_settings():
    assert parse_spec("k_Center", "--model") == ("k-center", {})
    assert parse_spec("convnet:width=32,no-bias=true", "--model") == (
        "convnet",
        {"width": "32", "no_bias": "true"},
    )


def test_a_spec_with_a_setting_that_is_none():
    with pytest.raises(InvalidParameter, match="--model takes name=value, not 'width'"):
        parse_spec("convnet:width", "--model")
