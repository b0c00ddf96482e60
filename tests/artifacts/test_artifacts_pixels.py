import io

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from coreset_cli.artifacts import pixels
from coreset_cli.artifacts.pictures import open_pictures
from coreset_cli.artifacts.pixels import load_pixels
from coreset_cli.errors import ArtifactIncomplete
from coreset_cli.io.image import encode_png

RNG = np.random.default_rng(0)


def opened(folder, images, **columns):
    table = {"image": pa.array(images, pa.binary()), **columns}
    pq.write_table(pa.table(table), folder / "t.parquet", row_group_size=3)
    return open_pictures([str(folder / "t.parquet")])


def some(*shape):
    return RNG.integers(0, 256, shape, dtype=np.uint8)


@pytest.mark.parametrize("group", [1, 2, 64])
def test_values_in_row_order(tmp_path, monkeypatch, group):
    monkeypatch.setattr(pixels, "GROUP", group)
    values = some(10, 4, 5, 3)
    pictures = opened(tmp_path, list(map(encode_png, values)))
    seen = []
    found = load_pixels(
        pictures, channels=None, size=None, progress=lambda done, total: seen.append((done, total))
    )
    assert np.array_equal(found.values, values)
    assert found.notes == ()
    assert seen[-1] == (10, 10)
    rows = np.array([7, 0, 3])
    found = load_pixels(pictures, channels=3, size=(4, 5), rows=rows)
    assert np.array_equal(found.values, values[rows])


def test_channels_are_grey_only_if_all_are(tmp_path):
    grey, colour = some(3, 3), some(3, 3, 3)
    pictures = opened(tmp_path, [encode_png(grey), encode_png(grey)])
    found = load_pixels(pictures, channels=None, size=None)
    assert np.array_equal(found.values, np.stack([grey, grey])[..., None])
    pictures = opened(tmp_path, [encode_png(grey), encode_png(colour)])
    found = load_pixels(pictures, channels=None, size=None)
    assert np.array_equal(found.values, np.stack([np.dstack([grey] * 3), colour]))
    assert found.notes == ()
    found = load_pixels(pictures, channels=1, size=None)
    assert found.values.shape == (2, 3, 3, 1)
    assert np.array_equal(found.values[0, :, :, 0], grey)
    assert found.notes == (f"{pictures.path}: 1 of 2 images have colour and were made grey",)


def test_the_most_common_size_wins_and_the_others_are_resized(tmp_path):
    images = [some(4, 6), some(8, 8), some(4, 6), some(8, 8), some(4, 6), some(2, 2)]
    pictures = opened(tmp_path, list(map(encode_png, images)))
    found = load_pixels(pictures, channels=None, size=None)
    assert found.values.shape == (6, 4, 6, 1)
    assert found.notes == (f"{pictures.path}: 3 of 6 images were resized to 4×6",)
    for row in (0, 2, 4):
        assert np.array_equal(found.values[row, :, :, 0], images[row])
    bicubic = Image.fromarray(images[1]).resize((6, 4), Image.Resampling.BICUBIC)
    assert np.array_equal(found.values[1, :, :, 0], np.asarray(bicubic))


def test_of_equally_many_sizes_the_smaller_wins(tmp_path):
    pictures = opened(tmp_path, [encode_png(some(9, 3)), encode_png(some(4, 6))])
    assert load_pixels(pictures, channels=None, size=None).values.shape == (2, 4, 6, 1)


def test_a_size_asked_for_is_height_and_width(tmp_path):
    pictures = opened(tmp_path, [encode_png(some(4, 6))])
    assert load_pixels(pictures, channels=3, size=(2, 5)).values.shape == (1, 2, 5, 3)


def test_upright_sizes_count(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    file = io.BytesIO()
    Image.fromarray(some(16, 32, 3)).save(file, "JPEG", exif=exif)
    pictures = opened(tmp_path, [file.getvalue()])
    found = load_pixels(pictures, channels=None, size=None)
    assert found.values.shape == (1, 32, 16, 3)
    assert found.notes == ()


def test_a_broken_image_names_file_row_and_id(tmp_path):
    whole = encode_png(some(30, 30))
    images = [whole, whole, whole, whole[:300], b"text"]
    pictures = opened(tmp_path, images, id=list("abcde"))
    for channels in (None, 1):
        with pytest.raises(ArtifactIncomplete) as error:
            load_pixels(pictures, channels=channels, size=(30, 30))
        assert "row 3 (id 'd')" in str(error.value) or (
            channels is None and "row 4 (id 'e')" in str(error.value)
        )
        assert pictures.path in str(error.value)
    with pytest.raises(ArtifactIncomplete, match=r"row 4 \(id 'e'\)"):
        load_pixels(pictures, channels=1, size=(30, 30), rows=np.array([0, 4, 3]))
    pictures = opened(tmp_path, [whole, None])
    with pytest.raises(ArtifactIncomplete, match=r"row 1 \(id 1\).*no bytes"):
        load_pixels(pictures, channels=None, size=None)


def test_no_images_at_all(tmp_path):
    with pytest.raises(ArtifactIncomplete, match="no images"):
        load_pixels(opened(tmp_path, []), channels=None, size=None)


def test_digits(tmp_path):
    from sklearn.datasets import load_digits

    found = load_pixels(open_pictures(["digits:train"]), channels=None, size=None).values
    rows = {tuple(row) for row in load_digits().data.astype(int).tolist()}
    assert found.shape[1:] == (8, 8, 1)
    assert {tuple(np.rint(v.ravel() * (16 / 255)).astype(int).tolist()) for v in found} <= rows
    assert found.max() == 255
