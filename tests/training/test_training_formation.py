"""Several pictures in one image: decoding, against SciPy's interpolation, and mixed starts."""

import numpy as np
import pytest
import torch
from scipy.ndimage import map_coordinates

from coreset_cli.errors import InvalidParameter
from coreset_cli.training.formation import decoded, mixed, parts, require_factor


def some_pixels(m: int, h: int, w: int, c: int = 3) -> torch.Tensor:
    return torch.rand(m, c, h, w, generator=torch.Generator().manual_seed(h * w + m))


def enlarged(crop: np.ndarray, h: int, w: int) -> np.ndarray:
    """A plane, bilinear, with pixels as areas: pixel i of n is seen at (i + ½)·s/n − ½."""
    y = (np.arange(h) + 0.5) * crop.shape[0] / h - 0.5
    x = (np.arange(w) + 0.5) * crop.shape[1] / w - 0.5
    return map_coordinates(crop, np.meshgrid(y, x, indexing="ij"), order=1, mode="nearest")


@pytest.mark.parametrize(("h", "w", "factor"), [(8, 8, 2), (28, 28, 3), (9, 12, 2), (16, 10, 4)])
def test_decoding_equals_an_interpolation_of_each_crop(h: int, w: int, factor: int) -> None:
    pixels = some_pixels(2, h, w)
    found = decoded(pixels, factor)
    assert found.shape == (2 * parts(factor), 3, h, w)
    tall, wide = -(-h // factor), -(-w // factor)
    row = 0
    for image in pixels.double().numpy():
        padded = np.full((3, tall * factor, wide * factor), 0.5)
        padded[:, :h, :w] = image
        for top in range(0, tall * factor, tall):
            for left in range(0, wide * factor, wide):
                crop = padded[:, top : top + tall, left : left + wide]
                expected = np.stack([enlarged(plane, h, w) for plane in crop])
                np.testing.assert_allclose(found[row].numpy(), expected, atol=1e-6)
                row += 1


def test_decoding_by_1_is_the_identity() -> None:
    pixels = some_pixels(3, 8, 8)
    assert torch.equal(decoded(pixels, 1), pixels)
    assert torch.equal(mixed(pixels, 1), pixels)


@pytest.mark.parametrize("factor", [2, 3])
def test_a_constant_image_decodes_to_constant_pictures(factor: int) -> None:
    pictures = decoded(torch.full((1, 1, 12, 12), 0.25), factor)
    assert torch.allclose(pictures, torch.tensor(0.25))


def test_decoding_is_differentiable_in_each_pixel() -> None:
    pixels = some_pixels(1, 7, 7, c=1).double().requires_grad_()
    assert torch.autograd.gradcheck(lambda image: decoded(image, 2), (pixels,))


@pytest.mark.parametrize(("h", "w", "factor"), [(8, 8, 2), (28, 28, 3), (9, 12, 2)])
def test_a_mixed_image_decodes_to_the_pictures_it_holds(h: int, w: int, factor: int) -> None:
    levels = torch.linspace(0, 1, 2 * parts(factor))
    pictures = levels[:, None, None, None].expand(-1, 3, h, w).contiguous()
    again = decoded(mixed(pictures, factor), factor)
    inside = again[:, :, : h // 2, : w // 2]  # beyond it, parts at the border are filled
    assert torch.allclose(inside, levels[:, None, None, None].expand_as(inside), atol=1e-6)


def test_mixing_takes_the_nearest_pixels_of_each_picture() -> None:
    pictures = some_pixels(8, 8, 8)
    images = mixed(pictures, 2)
    assert images.shape == (2, 3, 8, 8)
    shrunk = pictures[:, :, ::2, ::2]
    for image, four in zip(images, shrunk.split(4), strict=True):
        assert torch.equal(image[:, :4, :4], four[0])
        assert torch.equal(image[:, :4, 4:], four[1])
        assert torch.equal(image[:, 4:, :4], four[2])
        assert torch.equal(image[:, 4:, 4:], four[3])


@pytest.mark.parametrize(("factor", "size"), [(0, (8, 8)), (3, (4, 4)), (2, (8, 1)), (9, (8, 8))])
def test_a_grid_with_a_part_that_has_no_pixel_is_refused(
    factor: int, size: tuple[int, int]
) -> None:
    with pytest.raises(InvalidParameter, match="factor is"):
        require_factor(factor, size=size)


def test_usual_grids_are_accepted() -> None:
    for factor, side in ((1, 1), (2, 32), (2, 28), (3, 28), (2, 8), (3, 8)):
        require_factor(factor, size=(side, side))
