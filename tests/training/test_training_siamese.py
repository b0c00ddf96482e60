"""Against SciPy's affine maps, slicing, and cases worked by hand."""

from collections import Counter

import numpy as np
import pytest
import torch
from scipy import ndimage, stats

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.siamese import (
    ANGLE,
    FAMILIES,
    Step,
    draw_warp,
    parse_strategy,
    warped,
)

ALL = "color_crop_cutout_flip_scale_rotate"


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int, c: int, h: int, w: int, seed: int = 0) -> torch.Tensor:
    return torch.randn((n, c, h, w), generator=generator(seed), dtype=torch.float64)


def warp_of(text: str, *, rows: int = 1, size=(8, 8), seed: int = 0, shared=True, rule="one"):
    strategy = parse_strategy(text, rule)
    return draw_warp(strategy, rows=rows, size=size, generator=generator(seed), shared=shared)


def step(family: str, *parameters: float) -> tuple[Step]:
    return (Step(family, torch.tensor([parameters], dtype=torch.float32)),)


@pytest.mark.parametrize("rule", ["one", "layers"])
@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 7, 9)])
def test_real_and_synthetic_pictures_meet_the_same_operation(shape, rule):
    a, b = pictures(3, *shape), pictures(5, *shape, seed=1)
    for seed in range(12):
        warp = warp_of(ALL, size=shape[1:], seed=seed, rule=rule)
        together = warped(torch.cat([a, b]), warp)
        assert together.shape == (8, *shape)
        torch.testing.assert_close(together, torch.cat([warped(a, warp), warped(b, warp)]))


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_draw_of_their_own_where_not_shared(family):
    one = pictures(1, 3, 8, 8).expand(16, -1, -1, -1)
    alone = warped(one, warp_of(family, rows=16, shared=False))
    assert len({row.numpy().tobytes() for row in alone}) > 1
    shared = warped(one, warp_of(family, rows=16))
    assert len({row.numpy().tobytes() for row in shared}) == 1


def test_a_seed_decides_and_the_global_generator_is_left_alone():
    before = torch.get_rng_state()
    first, again = (warp_of(ALL, rows=4, seed=3, shared=False) for _ in range(2))
    assert torch.equal(before, torch.get_rng_state())
    assert [s.family for s in first] == [s.family for s in again]
    assert all(torch.equal(s.parameters, t.parameters) for s, t in zip(first, again, strict=True))


def test_none_is_the_identity():
    x = pictures(2, 3, 8, 8)
    assert warp_of("none") == ()
    assert warped(x, ()) is x
    assert parse_strategy("NONE").text == "none"


def test_one_family_a_call_and_all_equally_often():
    drawn = Counter(tuple(s.family for s in warp_of(ALL, seed=seed)) for seed in range(1200))
    assert set(drawn) == {(family,) for family in FAMILIES}
    assert stats.chisquare(list(drawn.values())).pvalue > 1e-3


def test_layers_are_mirror_colour_one_other_and_hole():
    drawn = Counter(
        tuple(s.family for s in warp_of(ALL, seed=seed, rule="layers")) for seed in range(300)
    )
    expected = {("flip", "color", f, "cutout") for f in ("crop", "scale", "rotate")}
    assert set(drawn) == expected
    assert stats.chisquare(list(drawn.values())).pvalue > 1e-3
    only = warp_of("color_cutout", rule="layers")
    assert [s.family for s in only] == ["color", "cutout"]


def test_parameters_fill_their_ranges():
    draws = {
        family: warp_of(family, rows=4000, size=(32, 30), shared=False)[0].parameters
        for family in FAMILIES
    }
    offset, saturation, contrast = draws["color"].T
    for values, low, high in [
        (offset, -0.5, 0.5),
        (saturation, 0.0, 2.0),
        (contrast, 0.5, 1.5),
        (draws["scale"][:, 0], 1 / 1.2, 1.2),
        (draws["scale"][:, 1], 1 / 1.2, 1.2),
        (draws["rotate"][:, 0], -np.deg2rad(15), np.deg2rad(15)),
    ]:
        assert stats.kstest(values.numpy(), "uniform", (low, high - low)).pvalue > 1e-3
    # 0.125·32 = 4 and 0.125·30 = 3.75, rounded to 4; 0.5·32 = 16 and 0.5·30 = 15, odd
    for values, count in [
        (draws["crop"][:, 0] + 4, 9),
        (draws["crop"][:, 1] + 4, 9),
        (draws["cutout"][:, 0], 33),
        (draws["cutout"][:, 1], 30),
        (draws["flip"][:, 0], 2),
    ]:
        found = np.bincount(values.long().numpy(), minlength=count)
        assert len(found) == count
        assert stats.chisquare(found).pvalue > 1e-3


def test_shift_by_hand():
    x = torch.arange(9.0).view(1, 1, 3, 3)
    moved = warped(x, step("crop", 1, -1))
    assert moved[0, 0].tolist() == [[0, 3, 4], [0, 6, 7], [0, 0, 0]]


def test_hole_by_hand():
    ones = torch.ones(1, 2, 4, 4)  # side 2: rows o−1 and o
    holed = warped(ones, step("cutout", 4, 1))
    assert holed[0, 1].tolist() == [[1, 1, 1, 1], [1, 1, 1, 1], [1, 1, 1, 1], [0, 0, 1, 1]]
    odd = warped(torch.ones(1, 1, 5, 5), step("cutout", 0, 2))  # side 3: o−1, o, o+1
    assert odd[0, 0, :2].tolist() == [[1, 0, 0, 0, 1]] * 2
    assert odd[0, 0, 2:].min() == 1


def test_colour_by_hand():
    x = torch.tensor([1.0, 2.0, 6.0]).view(1, 3, 1, 1)
    assert warped(x, step("color", 0.5, 1, 1)).flatten().tolist() == [1.5, 2.5, 6.5]
    assert warped(x, step("color", 0, 2, 1)).flatten().tolist() == [-1, 1, 9]
    y = torch.tensor([0.0, 2.0, 4.0, 6.0]).view(1, 1, 2, 2)
    assert warped(y, step("color", 0, 0.3, 1.5)).flatten().tolist() == [-1.5, 1.5, 4.5, 7.5]


def test_mirror_by_hand():
    x = torch.arange(4.0).view(1, 1, 2, 2)
    assert warped(x, step("flip", 1)).flatten().tolist() == [1, 0, 3, 2]
    assert torch.equal(warped(x, step("flip", 0)), x)


@pytest.mark.parametrize(("h", "w"), [(8, 8), (7, 10)])
@pytest.mark.parametrize(
    "warp",
    [step("scale", 1.15, 0.9), step("rotate", ANGLE), step("rotate", -0.1)],
    ids=["scale", "turn", "back"],
)
def test_linear_maps_against_scipy(warp, h, w):
    x = pictures(2, 2, h, w)
    values = warp[0].parameters[0].double()
    if warp[0].family == "scale":
        matrix = np.diag(values.numpy())
    else:
        cos, sin = np.cos(values.item()), np.sin(values.item())
        matrix = np.array([[cos, -sin], [sin, cos]])
    # from (x, y) in [−1, 1] to (row, column) in pixels, middles of pixels at (2i + 1)/s − 1
    half = np.diag([h / 2, w / 2])
    pixel = half @ matrix[::-1, ::-1] @ np.linalg.inv(half)
    middle = np.array([(h - 1) / 2, (w - 1) / 2])
    expected = [
        [
            ndimage.affine_transform(
                plane, pixel, middle - pixel @ middle, order=1, mode="grid-constant"
            )
            for plane in row
        ]
        for row in x.numpy()
    ]
    found = warped(x, warp).numpy()
    np.testing.assert_allclose(found, expected, atol=1e-9 + 1e-6 * np.abs(x.numpy()).max())


def test_a_factor_above_one_shrinks():
    ones = torch.ones(1, 1, 12, 12)
    assert warped(ones, step("scale", 1.2, 1.2)).sum() < 144 / 1.2
    assert warped(ones, step("scale", 1 / 1.2, 1 / 1.2)).min() > 1 - 1e-6


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("shared", [True, False])
def test_gradients_by_finite_differences(family, shared):
    warp = warp_of(family, rows=2, size=(5, 4), seed=4, shared=shared)
    x = pictures(2, 3, 5, 4).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: warped(x, warp), x)
    assert torch.autograd.grad(warped(x, warp).sum(), x)[0].abs().sum() > 0


def test_a_step_moves_no_row_but_its_own():
    x = pictures(3, 1, 8, 8)
    y = x.clone()
    y[1] += 1
    for seed in range(12):
        warp = warp_of(ALL, rows=3, seed=seed, shared=False)
        changed = (warped(x, warp) != warped(y, warp)).flatten(1).any(1)
        assert changed.tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("color_crp", "did you mean crop?"),
        ("", "there are color, crop"),
        ("crop_crop", "names a family twice"),
        ("none_crop", "unknown augmentation 'none'"),
    ],
)
def test_refused(text, told):
    with pytest.raises(InvalidParameter, match=told):
        parse_strategy(text)
