"""Images as encoded bytes: looked at, decoded to 8-bit grey or RGB, and written as PNG.

Bytes come from anywhere, so nothing of them is trusted: only raster formats are opened, sizes are
checked before anything is unpacked, and whatever a decoder says of bad bytes is one error.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from types import TracebackType

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from coreset_cli.errors import BrokenImage

__all__ = ["MAX_PIXELS", "Header", "decode", "encode_png", "pixels", "read_header"]

MAX_PIXELS = 89_478_485
"""Larger images are refused: what Pillow warns of, a quarter of a gigabyte as RGB."""

BLOCK_PIXELS = 1 << 20
"""Pixels scaled at a time: as floats they take eight times the space."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")
"""What is opened. Other plugins of Pillow run programs (EPS) or open further files."""

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""How an image of each EXIF orientation is turned upright."""

_GREY = frozenset({"1", "L", "LA", "La", "I", "F"})
"""Modes without colour; those that begin with `I;` are, too."""


@dataclass(frozen=True)
class Header:
    """What an image says of itself before it is decoded.

    Args:
        height: pixels from top to bottom, once upright.
        width: pixels from left to right, once upright.
        channels: 1 for grey, 3 for colour.
    """

    height: int
    width: int
    channels: int


def decode(data: bytes | None) -> Image.Image:
    """The first picture of some bytes, upright, of mode `L` or `RGB`.

    Transparent pixels lie over white. Greys of 16 bits are scaled from 0…65535, floats within
    [0, 1] from there, other floats and 32-bit integers from their own lowest and highest value.

    Args:
        data: an encoded image; none where there is no image.

    Raises:
        BrokenImage: no image, a damaged or a truncated one, or more than `MAX_PIXELS`.
    """
    with _opened(data) as image:
        image.load()
        turn = _TURNS.get(_orientation(image))
        plain = _plain(image)
        return plain if turn is None else plain.transpose(turn)


def read_header(data: bytes | None) -> Header:
    """Size and channels that `decode` would give, without decoding.

    Args:
        data: an encoded image; none where there is no image.

    Raises:
        BrokenImage: no image, or more than `MAX_PIXELS`. A damaged one is found by `decode`.
    """
    with _opened(data) as image:
        width, height = image.size
        # Pillow turns TIFF itself, and says the size it will have.
        if image.format != "TIFF" and _orientation(image) >= 5:
            width, height = height, width
        return Header(height, width, 1 if _is_grey(image) else 3)


def pixels(image: Image.Image, channels: int) -> NDArray[np.uint8]:
    """[h, w, channels] values of a decoded image.

    Args:
        image: of mode `L` or `RGB`.
        channels: 1 for grey, 3 for colour.
    """
    values = np.array(image.convert({1: "L", 3: "RGB"}[channels]))
    return values.reshape(image.height, image.width, channels)


def encode_png(values: NDArray[np.uint8]) -> bytes:
    """A PNG file of [h, w] or [h, w, 1] grey or [h, w, 3] RGB values; equal values, equal bytes."""
    if values.ndim == 3 and values.shape[2] == 1:
        values = values[:, :, 0]
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(values)).save(file, "PNG")
    return file.getvalue()


class _Quiet:
    """Ignores warnings while any thread is inside.

    Filters of warnings belong to the process: were each thread to set and restore its own, one
    would restore what another had set.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._inside = 0
        self._filters = warnings.catch_warnings()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._filters = warnings.catch_warnings(action="ignore")
                self._filters.__enter__()
            self._inside += 1

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._filters.__exit__(kind, error, traceback)


_quiet = _Quiet()


@contextmanager
def _opened(data: bytes | None) -> Iterator[Image.Image]:
    """An image of which only the header is read, with all that Pillow raises in one error."""
    if not data:
        raise BrokenImage("there are no bytes" if data is None else "it is empty")
    try:
        with _quiet, Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _refuse_size(image.size)
            yield image
    except BrokenImage:
        raise
    except UnidentifiedImageError as error:
        raise BrokenImage(f"it is no image of the kinds read ({', '.join(FORMATS)})") from error
    except Image.DecompressionBombError as error:
        raise BrokenImage(f"it has more than {MAX_PIXELS:,} pixels") from error
    except Exception as error:  # decoders raise nearly anything on hostile bytes
        reason = (str(error).splitlines() or [""])[0][:120] or type(error).__name__
        raise BrokenImage(f"it is truncated or damaged: {reason}") from error


def _refuse_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise BrokenImage(f"{width}×{height} are more than {MAX_PIXELS:,} pixels")
    if width * height == 0:
        raise BrokenImage("it has no pixels")


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 to 8; 1 where the image has none that can be read."""
    try:
        found = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 damaged metadata do not make the picture bad
        return 1
    return found if isinstance(found, int) and found in _TURNS else 1


def _is_grey(image: Image.Image) -> bool:
    return image.mode in _GREY or image.mode.startswith("I;")


def _plain(image: Image.Image) -> Image.Image:
    """The same picture as `L` or `RGB`."""
    if image.mode == "F" or image.mode == "I" or image.mode.startswith("I;"):
        return _scaled(image)
    mode = "L" if _is_grey(image) else "RGB"
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", over.size, "white"), over).convert(mode)
    return image.convert(mode)


def _scaled(image: Image.Image) -> Image.Image:
    """Greys of more than 8 bits as 8 bits."""
    values = np.asarray(image)
    low, high = float(values.min()), float(values.max())
    if not np.isfinite([low, high]).all():
        raise BrokenImage("it holds NaN or Inf")
    if image.mode != "F" and (image.mode != "I" or image.format in {"PNG", "PPM"}):
        low, high = 0.0, 65535.0
    elif image.mode == "F" and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    scale = 255 / (high - low) if high > low else 0.0
    plain = np.empty(values.shape, np.uint8)
    step = max(1, BLOCK_PIXELS // image.width)
    for row in range(0, image.height, step):
        block = values[row : row + step].astype(np.float64)
        plain[row : row + step] = np.rint((block - low) * scale)
    return Image.fromarray(plain)
