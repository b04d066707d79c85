"""What the writers write the readers read; meshes, PSFs and sessions have tests of their own."""

from __future__ import annotations

import csv
import json

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from napari_deltamic.batch.items import items_of_table
from napari_deltamic.batch.outcome import Outcome, read_outcome, write_outcome
from napari_deltamic.cli.fit import chosen_settings
from napari_deltamic.compressive import read_masks, write_masks
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.imaging import read_stack, stack_info, write_stack

LENGTHS = st.floats(1e-3, 1e3)
SHAPES = arrays_of.array_shapes(min_dims=3, max_dims=3, min_side=2, max_side=9)
TYPES = st.sampled_from(["u1", "i1", "<u2", ">i2", "<i4", "<f4", ">f4"])
# No control characters, which no file system and no line of a table takes.
WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=8)
few = settings(max_examples=25)


@few
@given(
    array=st.tuples(TYPES, SHAPES).flatmap(
        lambda both: arrays_of.arrays(*both, elements={"allow_nan": False, "allow_infinity": False})
    ),
    spacing=st.tuples(LENGTHS, LENGTHS, LENGTHS),
)
def test_stacks(tmp_path_factory, array: np.ndarray, spacing: tuple[float, float, float]) -> None:
    file = tmp_path_factory.mktemp("stack") / "stack.ome.tif"
    write_stack(file, array, spacing)
    found = read_stack(file)
    np.testing.assert_array_equal(found.data, array.astype(np.float32))
    np.testing.assert_allclose(found.spacing, spacing, rtol=1e-12)
    assert stack_info(file).shape == array.shape


@few
@given(masks=arrays_of.arrays(bool, SHAPES))
def test_masks(tmp_path_factory, masks: np.ndarray) -> None:
    file = tmp_path_factory.mktemp("masks") / "masks.tif"
    masks[0, 0, 0] = True
    write_masks(masks, file)
    np.testing.assert_array_equal(read_masks(file), masks)


@few
@given(
    chosen=st.fixed_dictionaries(
        {},
        optional={
            "label": st.sampled_from(["membrane", "interior", "both"]),
            "noise": st.sampled_from(["gaussian", "poisson"]),
            "edge_length": st.none() | LENGTHS,
            "stages": st.integers(1, 12),
            "tolerance": LENGTHS,
            "smoothing": st.floats(1e-3, 10),
            "remesh": st.booleans(),
            "learn": st.lists(st.sampled_from(["sigma", "na", "zernike"]), unique=True),
        },
    ),
    is_beside_a_result=st.booleans(),
)
def test_settings(tmp_path_factory, chosen: dict[str, object], is_beside_a_result: bool) -> None:
    file = tmp_path_factory.mktemp("settings") / "fit.json"
    given_ones = FitSettings(**chosen)
    content = given_ones.model_dump(mode="json")
    file.write_text(json.dumps({"settings": content} if is_beside_a_result else content))
    assert chosen_settings(file, None) == given_ones


@few
@given(
    rows=st.lists(
        st.tuples(
            st.sampled_from(["a.tif", "b.tif"]), st.sampled_from(["one", "two, three", "", 'a "b"'])
        ),
        min_size=1,
        max_size=5,
    )
)
def test_tables(tmp_path_factory, rows: list[tuple[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("table")
    for name in ("a.tif", "b.tif"):
        (folder / name).touch()
    with (folder / "table.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("stack", "label"), *rows])
    items = items_of_table(folder / "table.csv")
    assert [item.source.name for item in items] == [stack for stack, _ in rows]
    for item, (_, label) in zip(items, rows, strict=True):
        assert item.options == (("--label", *label.split()) if label else ())


@few
@given(
    name=WORDS,
    status=st.sampled_from(["running", "done", "stopped", "refused", "failed"]),
    message=st.text(st.characters(exclude_categories=("Cs",)), max_size=20),
    seconds=st.floats(0, 1e9),
)
def test_outcomes(tmp_path_factory, name: str, status, message: str, seconds: float) -> None:
    folder = tmp_path_factory.mktemp("item")
    outcome = Outcome(name, status, message, seconds, 2, "host", task={"options": [name]})
    write_outcome(folder, outcome)
    assert read_outcome(folder) == outcome
