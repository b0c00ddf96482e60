"""Images: what they are, and those that are broken or there twice."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from coreset_cli.artifacts.content import Content, sample_hash
from coreset_cli.artifacts.pictures import Pictures, open_pictures
from coreset_cli.commands.inspection.found import Info, Question, Watch, counts_of
from coreset_cli.errors import BrokenImage
from coreset_cli.io.image import read_header

__all__ = ["images_found"]


def images_found(question: Question, manifest: Mapping[str, Any] | None, watch: Watch) -> Info:
    """Read all images once, and the header of each.

    What is damaged behind its header is found by `embed`, which decodes.
    """
    pictures = open_pictures(
        [question.path], column=question.column, ids=question.ids, label=question.label
    )
    n = len(pictures)
    content, shapes = Content(n, "image"), Counter[str]()
    broken: list[tuple[int, str]] = []
    hashes: list[bytes] = []
    for start, images in pictures.batches():
        for row, image in enumerate(images, start):
            try:
                header = read_header(image)
            except BrokenImage as error:
                broken.append((row, str(error)))
            else:
                colour = "grey" if header.channels == 1 else "colour"
                shapes[f"{header.height} × {header.width} {colour}"] += 1
        hashes += [sample_hash(image) for image in images]
        content.add(hashes[start:])
        watch("reading", start + len(images), n)
    record = content.record(pictures, pictures.data.files)
    return Info(
        path=question.path,
        kind="images",
        rows=n,
        shapes=dict(shapes.most_common()),
        files=pictures.data.files,
        ids=pictures.ids.kind,
        classes=counts_of(pictures.labels),
        columns=pictures.columns.names,
        content_digest=record.content_digest,
        ids_digest=record.ids_digest,
        manifest=manifest,
        warnings=pictures.warnings,
        faults=(*_broken(broken, pictures), *_repeats(hashes, pictures)),
    )


def _broken(broken: Sequence[tuple[int, str]], pictures: Pictures) -> tuple[str, ...]:
    if not broken:
        return ()
    row, reason = broken[0]
    return (
        f"images that cannot be read: {len(broken)}, first {_name(row, pictures)}: {reason}; "
        "drop them, or embed with --on-error skip",
    )


def _repeats(hashes: Sequence[bytes], pictures: Pictures) -> tuple[str, ...]:
    """Images stored twice byte for byte, and those of them with two labels."""
    first: dict[bytes, int] = {}
    pairs = [
        (row, earlier)
        for row, found in enumerate(hashes)
        if (earlier := first.setdefault(found, row)) != row
    ]
    if not pairs:
        return ()
    row, earlier = pairs[0]
    faults = [
        f"images that repeat an earlier one byte for byte: {len(pairs)}, first "
        f"{_name(row, pictures)}, which equals {_name(earlier, pictures)}; drop the copies"
    ]
    if pictures.labels is not None:
        texts = pictures.labels.texts()
        torn = [(row, earlier) for row, earlier in pairs if texts[row] != texts[earlier]]
        if torn:
            row, earlier = torn[0]
            faults.append(
                f"repeats that have another label than the earlier one: {len(torn)}, first "
                f"{_name(row, pictures)} ({texts[row]}, before {texts[earlier]}); look at both"
            )
    return tuple(faults)


def _name(row: int, pictures: Pictures) -> str:
    ids = pictures.ids
    return f"row {row}" if ids.is_row_number else f"row {row} (id {ids.values[row].as_py()})"
