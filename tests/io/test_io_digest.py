import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from coreset_cli.io.digest import hash_rows, hash_strings, lines_digest

WORD = (1 << 64) - 1


def fnv_then_splitmix(text):
    value = 0xCBF29CE484222325
    for byte in text.encode():
        value = ((value ^ byte) * 0x100000001B3) & WORD
    value = (value + 0x9E3779B97F4A7C15) & WORD
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & WORD
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & WORD
    return value ^ (value >> 31)


TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=12), max_size=20)


@given(TEXTS, st.integers(0, 5))
def test_hashes_of_texts_are_fnv_and_splitmix_for_slices_too(texts, skipped):
    array = pa.array(texts, pa.large_string()).slice(min(skipped, len(texts)))
    assert hash_strings(array).tolist() == [fnv_then_splitmix(t) for t in texts[skipped:]]


@given(TEXTS)
def test_a_digest_of_lines_is_that_of_the_file(texts):
    whole = "".join(f"{text}\n" for text in texts).encode()
    assert lines_digest(texts) == hashlib.sha256(whole).hexdigest()


def test_a_digest_of_many_lines_is_that_of_the_file():
    numbers = list(map(str, range(40_000)))
    whole = "".join(f"{number}\n" for number in numbers).encode()
    assert lines_digest(numbers) == hashlib.sha256(whole).hexdigest()


@given(
    hnp.arrays(
        st.sampled_from([np.float16, np.float32, np.float64, np.int8, np.bool_]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=9),
        elements=st.integers(0, 1),
    )
)
def test_rows_are_hashed_alike_exactly_where_they_are_equal(block):
    hashes = hash_rows(block)
    equal = (block[:, None] == block[None]).all(axis=2)
    assert ((hashes[:, None] == hashes[None]) == equal).all()


def test_minus_zero_is_zero():
    hashes = hash_rows(np.array([[0.0, 1.0], [-0.0, 1.0]], np.float32))
    assert hashes[0] == hashes[1]
