"""`coreset info` on synthetic sets."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sets import of_bytes, written

VALUES = np.random.default_rng(0).integers(0, 256, (6, 4, 5, 3))
CODES = np.array([0, 0, 1, 1, 9, 9])


@pytest.fixture
def syn(tmp_path):
    return written(tmp_path / "syn.parquet", of_bytes(VALUES, CODES, augmentation="color_crop"))


def found(run_cli, *arguments):
    got = run_cli("info", *arguments, "--json")
    assert got.code == 0, got.err
    return json.loads(got.out)


def test_says_what_the_pixels_are(run_cli, syn):
    said = found(run_cli, syn)
    assert (said["kind"], said["rows"], said["width"], said["dtype"]) == (
        "synthetic",
        6,
        60,
        "float32",
    )
    assert said["shapes"] == {"4 × 5 colour": 6}
    assert {name: count for name, count in said["classes"].items() if count} == {
        "0": 2,
        "1": 2,
        "9": 2,
    }
    pixels = (VALUES / 255 - 0.3) / 0.375
    assert said["facts"] == {
        "a class": "not as many in each",  # seven of the ten have none
        "space": f"normalised, {pixels.min():.3g} to {pixels.max():.3g}",
        "mean": "0.3, 0.3, 0.3",
        "std": "0.375, 0.375, 0.375",
        "factor": 1,
        "augmented": "color_crop",
    }
    assert said["faults"] == []
    assert said["content_digest"] == said["manifest"]["content_digest"]
    lines = run_cli("info", syn, "--strict").out
    assert "made by    distill, dm, seed 3" in lines
    assert "space      normalised" in lines


def test_says_how_many_pictures_an_image_holds(run_cli, tmp_path):
    three = of_bytes(VALUES, np.arange(6) % 3, names=("a", "b", "c"), integers=False, factor=2)
    said = found(run_cli, written(tmp_path / "syn.parquet", three))
    assert said["facts"]["a class"] == "2, each decoded to 4 pictures"


def test_changes_since_it_was_written_are_faults(run_cli, syn):
    schema, table = pq.read_schema(syn), pq.read_table(syn)
    values = np.stack(table["pixels"].to_pylist()).astype(np.float32)
    values[4, 0] = np.inf
    lists = pa.FixedSizeListArray.from_arrays(pa.array(values.ravel()), 60)
    table = table.set_column(1, "pixels", lists)
    pq.write_table(table.replace_schema_metadata(schema.metadata), syn)
    faults = found(run_cli, syn)["faults"]
    assert len(faults) == 2
    assert "not those that the manifest digests" in faults[0]
    assert "row 4 hold NaN or Inf (1 of 6 rows)" in faults[1]
    assert run_cli("info", syn, "--strict").code == 3


def test_a_named_column_is_looked_at_as_it_is(run_cli, syn):
    said = found(run_cli, syn, "--column", "pixels")
    assert (said["kind"], said["width"]) == ("vectors", 60)


def test_a_copy_without_its_footer_is_something_else(run_cli, syn):
    pq.write_table(pq.read_table(syn).replace_schema_metadata(None), syn)
    assert found(run_cli, syn)["kind"] != "synthetic"


def test_no_images_are_a_fault(run_cli, syn):
    schema = pq.read_schema(syn)
    pq.write_table(pq.read_table(syn)[:0].replace_schema_metadata(schema.metadata), syn)
    assert any("no images" in fault for fault in found(run_cli, syn)["faults"])
