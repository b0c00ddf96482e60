import hashlib

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coreset_cli.artifacts.ids import make_ids, row_numbers
from coreset_cli.errors import IdMismatch, SchemaMismatch

NAMES = st.lists(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=6),
    unique=True,
    min_size=1,
    max_size=15,
)
NUMBERS = st.lists(st.integers(-(2**63), 2**63 - 1), unique=True, min_size=1, max_size=15)


@given(NAMES)
def test_texts_rank_by_their_utf8_bytes(names):
    expected = sorted(names, key=str.encode)
    assert make_ids(pa.array(names), "x").key().rank.tolist() == [expected.index(n) for n in names]


@given(NUMBERS)
def test_integers_rank_by_value(numbers):
    expected = sorted(numbers)
    key = make_ids(pa.array(numbers, pa.int64()), "x").key()
    assert key.rank.tolist() == [expected.index(n) for n in numbers]


@given(NUMBERS, st.randoms())
def test_the_hash_follows_the_id_not_its_place(numbers, random):
    moved = random.sample(range(len(numbers)), len(numbers))
    ids = make_ids(pa.array(numbers, pa.int64()), "x")
    assert (ids.key().hash[moved] == ids.take(np.array(moved)).key().hash).all()


def test_some_row_numbers_keep_the_hashes_of_the_whole_file():
    rows = np.array([7, 2, 9])
    whole = row_numbers(10)
    assert (whole.take(rows).key().hash == whole.key().hash[rows]).all()
    assert whole.take(rows).key().rank.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    "column",
    [
        pa.array(["b", "a", "c"], pa.string()),
        pa.array(["b", "a", "c"], pa.large_string()),
        pa.array(["b", "a", "c"], pa.string_view()),
        pa.array(["b", "a", "c"]).dictionary_encode(),
        pa.chunked_array([["b"], ["a", "c"]]),
        pa.array(["x", "b", "a", "c", "y"]).slice(1, 3),
    ],
)
def test_every_way_to_store_texts_is_the_same(column):
    ids = make_ids(column, "x")
    assert list(ids.texts()) == ["b", "a", "c"]
    assert ids.digest() == hashlib.sha256(b"b\na\nc\n").hexdigest()
    assert ids.key().rank.tolist() == [1, 0, 2]
    assert (ids.key().hash == make_ids(pa.array(["b", "a", "c"]), "y").key().hash).all()


@pytest.mark.parametrize("kind", [pa.int8(), pa.uint16(), pa.int64(), pa.uint64()])
def test_every_width_of_integer_is_the_same(kind):
    ids = make_ids(pa.array([5, 3], kind), "x")
    assert ids.digest() == hashlib.sha256(b"5\n3\n").hexdigest()
    assert (ids.key().hash == make_ids(pa.array([5, 3]), "x").key().hash).all()


def test_ids_that_cannot_be():
    with pytest.raises(SchemaMismatch, match="64 bits"):
        make_ids(pa.array([2**63], pa.uint64()), "x")
    with pytest.raises(IdMismatch, match="rows 0 and 2"):
        make_ids(pa.array(["a", "b", "a"]), "x")
    with pytest.raises(SchemaMismatch, match="row 1"):
        make_ids(pa.array(["a", None]), "x")


def test_rows_of_wanted_ids():
    ids = make_ids(pa.array(["d", "a", "c"]), "x")
    assert ids.rows_of(make_ids(pa.array(["c", "d"]), "y"), "y", "x").tolist() == [2, 0]
    with pytest.raises(IdMismatch, match=r"y: id 'q' \(row 1\) is not in x; 1 of 2"):
        ids.rows_of(make_ids(pa.array(["c", "q"]), "y"), "y", "x")
    with pytest.raises(IdMismatch, match="y has integer ids, x has text ids"):
        ids.rows_of(make_ids(pa.array([1]), "y"), "y", "x")
