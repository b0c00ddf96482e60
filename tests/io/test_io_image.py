import io
import resource
import struct
import threading
import warnings
import zlib
from contextlib import suppress

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from coreset_cli.errors import BrokenImage
from coreset_cli.io.image import MAX_PIXELS, decode, encode_png, pixels, read_header

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (6, 9, 3), dtype=np.uint8)
GREY = RNG.integers(0, 256, (6, 9), dtype=np.uint8)


def encoded(image, kind="PNG", **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def values(data):
    image = decode(data)
    assert image.mode in {"L", "RGB"}
    found = np.asarray(image)
    header = read_header(data)
    assert (header.height, header.width) == found.shape[:2]
    assert header.channels == (1 if image.mode == "L" else 3)
    return found


def over_white(colour, alpha):
    share = alpha[..., None].astype(float) / 255
    return colour * share + 255 * (1 - share)


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_grey_and_colour_keep_their_values(kind):
    assert np.array_equal(values(encoded(Image.fromarray(GREY), kind)), GREY)
    assert np.array_equal(values(encoded(Image.fromarray(COLOUR), kind)), COLOUR)


@pytest.mark.parametrize("kind", ["WEBP", "AVIF", "JPEG2000"])
def test_lossless_kinds_keep_their_values(kind):
    options = {"WEBP": {"lossless": True}, "AVIF": {"quality": 100, "subsampling": "4:4:4"}}
    found = values(encoded(Image.fromarray(COLOUR), kind, **options.get(kind, {})))
    assert np.abs(found.astype(int) - COLOUR).max() <= (3 if kind == "AVIF" else 0)


def test_jpegs_are_what_pillow_makes_of_them():
    smooth = np.add.outer(np.arange(40), np.arange(60)).astype(np.uint8)
    assert np.abs(values(encoded(Image.fromarray(smooth), "JPEG")).astype(int) - smooth).max() < 8


def test_transparent_pixels_lie_over_white():
    alpha = RNG.integers(0, 256, (6, 9), dtype=np.uint8)
    alpha[0, 0], alpha[0, 1] = 0, 255
    found = values(encoded(Image.fromarray(np.dstack([COLOUR, alpha]))))
    assert np.abs(found - over_white(COLOUR, alpha)).max() <= 1
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 1].tolist() == COLOUR[0, 1].tolist()
    grey = values(encoded(Image.fromarray(np.dstack([GREY, alpha]), "LA")))
    assert np.abs(grey - over_white(GREY[..., None], alpha)[..., 0]).max() <= 1


def test_a_transparent_grey_or_colour_is_white():
    grey = GREY.copy()
    grey[grey == 7] = 8
    grey[2, 3] = 7
    found = values(encoded(Image.fromarray(grey), transparency=7))
    assert np.array_equal(found, np.where(grey == 7, 255, grey))
    rgb = values(encoded(Image.fromarray(COLOUR), transparency=tuple(map(int, COLOUR[1, 1]))))
    assert rgb[1, 1].tolist() == [255, 255, 255]
    assert rgb[0, 0].tolist() == COLOUR[0, 0].tolist()


@pytest.mark.parametrize("kind", ["PNG", "GIF"])
def test_palettes_become_colour_and_their_transparent_entry_white(kind):
    places = np.arange(54).reshape(6, 9) % 3
    image = Image.fromarray(places.astype(np.uint8), "P")
    image.putpalette([10, 20, 30, 40, 50, 60, 70, 80, 90])
    plain = np.array([[10, 20, 30], [40, 50, 60], [70, 80, 90]])
    assert np.array_equal(values(encoded(image, kind)), plain[places])
    plain[1] = 255
    assert np.array_equal(values(encoded(image, kind, transparency=1)), plain[places])


def test_palettes_with_an_alpha_an_entry():
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([100, 0, 0, 0, 0, 100])
    found = values(encoded(image, transparency=bytes([128, 255])))
    assert np.abs(found[0, 0] - np.array([177, 127, 127])).max() <= 1
    assert found[0, 1].tolist() == [0, 0, 100]


def test_cmyk_becomes_colour():
    ink = np.zeros((4, 4, 4), np.uint8)
    ink[:, 2:, 0] = 255  # cyan takes the red away
    found = values(encoded(Image.fromarray(ink, "CMYK"), "TIFF"))
    assert found[0, 0].tolist() == [255, 255, 255]
    assert found[0, 3].tolist() == [0, 255, 255]
    jpeg = values(encoded(Image.fromarray(np.zeros((16, 16, 4), np.uint8), "CMYK"), "JPEG"))
    assert (jpeg == 255).all()


def test_other_spaces_become_colour():
    image = Image.fromarray(np.full((16, 16, 3), (200, 30, 60), np.uint8))
    found = values(encoded(image.convert("YCbCr"), "JPEG", quality=100))
    assert np.abs(found.astype(int) - (200, 30, 60)).max() <= 3


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bits_are_scaled_not_clipped(kind):
    deep = np.array([[0, 128, 257, 300, 32768, 65535]], np.uint16)
    found = values(encoded(Image.fromarray(deep), kind))
    assert found.tolist() == [[0, 0, 1, 1, 128, 255]]


def test_16_bit_greymaps_are_scaled():
    data = b"P5 3 1 65535\n" + np.array([0, 32768, 65535], ">u2").tobytes()
    assert values(data).tolist() == [[0, 128, 255]]


def test_16_bit_colour_is_scaled():
    deep = np.array([[[0, 128, 65535]]], ">u2")
    assert values(png(1, 1, 16, 2, b"\0" + deep.tobytes())).tolist() == [[[0, 0, 255]]]


def test_floats_within_one_are_scaled_from_there():
    real = np.array([[0.0, 0.25, 0.5]], np.float32)
    assert values(encoded(Image.fromarray(real), "TIFF")).tolist() == [[0, 64, 128]]


def test_other_floats_and_large_integers_are_scaled_from_their_own_range():
    real = np.array([[-1.0, 0.0, 3.0]], np.float32)
    assert values(encoded(Image.fromarray(real), "TIFF")).tolist() == [[0, 64, 255]]
    large = np.array([[1_000_000, 1_000_500, 1_001_000]], np.int32)
    assert values(encoded(Image.fromarray(large), "TIFF")).tolist() == [[0, 128, 255]]
    assert values(encoded(Image.fromarray(np.full((2, 2), 7, np.int32)), "TIFF")).max() == 0


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_floats_that_are_not_finite_are_broken(bad):
    real = np.array([[0.0, bad]], np.float32)
    with pytest.raises(BrokenImage, match="NaN or Inf"):
        decode(encoded(Image.fromarray(real), "TIFF"))


def test_one_bit():
    bits = np.eye(9, dtype=bool)
    assert np.array_equal(values(encoded(Image.fromarray(bits))), bits * np.uint8(255))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_one_pixel(kind, mode):
    assert values(encoded(Image.new(mode, (1, 1)), kind)).shape[:2] == (1, 1)


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF"])
def test_the_first_frame_of_animations(kind):
    frames = [Image.new("RGB", (4, 4), colour) for colour in ("red", "blue")]
    options = {"lossless": True} if kind == "WEBP" else {}
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:], **options)
    assert (values(data) == (255, 0, 0)).all()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("turn", range(1, 9))
def test_orientation_is_applied(kind, turn):
    image = Image.new("RGB", (32, 16), "red")
    image.paste("blue", (0, 0, 16, 8))
    exif = Image.Exif()
    exif[0x0112] = turn
    data = encoded(image, kind, exif=exif)
    with Image.open(io.BytesIO(data)) as stored:
        expected = np.asarray(ImageOps.exif_transpose(stored).convert("RGB"))
    found = values(data)
    assert found.shape == ((16, 32, 3) if turn < 5 else (32, 16, 3))
    assert np.array_equal(found, expected)
    rotated = {1: (0, 0), 2: (0, -1), 3: (-1, -1), 4: (-1, 0)} | {
        5: (0, 0), 6: (0, -1), 7: (-1, -1), 8: (-1, 0)
    }  # fmt: skip
    assert found[rotated[turn]][2] > 200  # the blue corner, by the definition of EXIF


def test_damaged_metadata_do_not_make_a_picture_bad():
    data = encoded(Image.fromarray(COLOUR), exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert np.array_equal(values(data), COLOUR)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP"])
def test_truncated(kind):
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    for share in (0.1, 0.5, 0.9):
        with pytest.raises(BrokenImage):
            decode(data[: int(len(data) * share)])


@pytest.mark.parametrize(
    "data",
    [
        None,
        b"",
        b"\0" * 1000,
        b"a line of text\n",
        b"<svg xmlns='http://www.w3.org/2000/svg' width='4' height='4'></svg>",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        b"%PDF-1.4\n",
        b"\x89PNG\r\n\x1a\n",
        b"P5 0 0 255\n",
    ],
)
def test_what_is_no_image(data):
    for look in (decode, read_header):
        with pytest.raises(BrokenImage) as error:
            look(data)
        assert "\n" not in str(error.value)


def png(width, height, depth, colour, raw):
    def chunk(name, body):
        return (
            struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))
        )

    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(raw)),
         chunk(b"IEND", b"")]
    )  # fmt: skip


@pytest.mark.parametrize("size", [(60_000, 60_000), (MAX_PIXELS + 1, 1), (2**31 - 1, 2**31 - 1)])
def test_decompression_bombs_are_refused_from_their_header(size):
    bomb = png(*size, 8, 2, b"\0" * 5_000_000)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(BrokenImage, match="pixels"):
        decode(bomb)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10  # KiB


def test_webp_bombs_are_refused():
    bomb = bytearray(encoded(Image.new("RGB", (2, 2)), "WEBP", lossless=True))
    assert bomb[12:16] == b"VP8L"
    bomb[21:25] = struct.pack("<I", (16383 - 1) | (16383 - 1) << 14)
    with pytest.raises(BrokenImage):
        decode(bytes(bomb))


def test_warnings_of_pillow_stay_inside():
    """Pillow warns of palettes whose transparency is given in bytes, of EXIF cut short, …"""
    image = Image.fromarray(np.array([[0, 1]], np.uint8), "P")
    image.putpalette([100, 0, 0, 0, 0, 100])
    data = encoded(image, transparency=bytes([128, 255]))
    many = png(13_000, 7_000, 1, 0, b"")  # above what Pillow warns of
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = warnings.filters[:]

        def work():
            for _ in range(20):
                decode(data)
                with pytest.raises(BrokenImage, match="pixels"):
                    decode(many)

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert warnings.filters == before
    assert heard == []


SEEDS = [
    encoded(Image.fromarray(COLOUR), kind, **options)
    for kind, options in [
        ("PNG", {}),
        ("JPEG", {}),
        ("JPEG", {"progressive": True}),
        ("WEBP", {}),
        ("WEBP", {"lossless": True}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("TIFF", {"compression": "jpeg"}),
        ("BMP", {}),
        ("JPEG2000", {}),
        ("AVIF", {}),
        ("GIF", {}),
        ("PPM", {}),
    ]
] + [encoded(Image.fromarray(GREY.astype(np.uint16) * 256), "TIFF")]


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 255)), max_size=4),
    st.floats(0, 1),
)
def test_whatever_the_bytes_it_is_an_image_or_broken(data, changes, kept):
    damaged = bytearray(data)
    for place, value in changes:
        damaged[place % len(damaged)] = value
    cut = bytes(damaged[: round(len(damaged) * (0.5 + kept))])
    for look in (decode, read_header):
        with suppress(BrokenImage):
            look(cut)


def test_pixels_have_the_channels_asked_for():
    assert np.array_equal(pixels(Image.fromarray(COLOUR), 3), COLOUR)
    assert np.array_equal(pixels(Image.fromarray(GREY), 1)[:, :, 0], GREY)
    assert np.array_equal(pixels(Image.fromarray(GREY), 3), np.dstack([GREY] * 3))
    luma = COLOUR @ np.array([0.299, 0.587, 0.114])
    assert np.abs(pixels(Image.fromarray(COLOUR), 1)[:, :, 0] - luma).max() <= 1
    found = pixels(Image.fromarray(GREY), 1)
    found[0] = 0  # a copy of its own


@pytest.mark.parametrize("shape", [(1, 1), (5, 7), (5, 7, 1), (5, 7, 3)])
def test_png_round_trip(shape):
    some = np.random.default_rng(2).integers(0, 256, shape, dtype=np.uint8)
    data = encode_png(some)
    assert data == encode_png(np.asfortranarray(some))
    assert np.array_equal(values(data), some[:, :, 0] if shape[2:] == (1,) else some)
