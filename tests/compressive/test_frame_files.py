import numpy as np
import pytest
import tifffile
import torch
from compressive_cases import discs, quick_model

from napari_deltamic.compressive import (
    load_model,
    read_frames,
    read_masks,
    save_model,
    write_masks,
)


def test_masks_come_back(tmp_path):
    masks = quick_model().patterns.binary()
    file = tmp_path / "masks.tif"
    write_masks(masks, file)
    np.testing.assert_array_equal(read_masks(file), masks.numpy())
    with tifffile.TiffFile(file) as tif:
        assert len(tif.pages) == 4
        assert tif.pages[0].dtype == np.uint8
        assert set(np.unique(tif.asarray())) == {0, 255}


def test_a_single_mask_comes_back(tmp_path):
    masks = quick_model(frames=1).patterns.binary()
    write_masks(masks, tmp_path / "masks.tif")
    np.testing.assert_array_equal(read_masks(tmp_path / "masks.tif"), masks.numpy())


@pytest.mark.parametrize("depth", [1, 3])
def test_measured_frames_are_decoded_as_simulated_ones(tmp_path, depth):
    model, truth = quick_model(depth), discs(1, 6, depth).images
    with torch.no_grad():
        frames = model.frames(truth, model.patterns())
        expected = model(truth)
    counts = frames[0].squeeze(1).numpy() + np.float32(100.0)
    tifffile.imwrite(tmp_path / "frames.tif", counts, photometric="minisblack")
    measured = read_frames(tmp_path / "frames.tif", model, offset=100.0)
    assert measured.shape == model.acquisition.frame_shape
    with torch.no_grad():
        found = model.decoded(torch.from_numpy(measured)[None])
    torch.testing.assert_close(found, expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(("count", "planes"), [(4, 1), (4, 6), (1, 6), (1, 1)])
def test_frames_of_a_stack_have_the_planes_that_the_file_has(tmp_path, count, planes):
    model = quick_model(frames=count)
    counts = np.random.default_rng(0).random((count, planes, 4, 4), dtype=np.float32)
    tifffile.imwrite(tmp_path / "frames.tif", counts.squeeze(), photometric="minisblack")
    np.testing.assert_array_equal(read_frames(tmp_path / "frames.tif", model), counts)
    read_frames(tmp_path / "frames.tif", model, depth=planes)
    with pytest.raises(ValueError, match=rf"\({count}, 5, 4, 4\)"):
        read_frames(tmp_path / "frames.tif", model, depth=5)


def test_a_model_comes_back(tmp_path):
    model, images = quick_model(patterns="fourier"), discs(2).images
    save_model(model, tmp_path / "model.pt")
    again = load_model(tmp_path / "model.pt")
    with torch.no_grad():
        assert torch.equal(again(images), model(images))
    assert again.settings == model.settings


def test_damaged_and_unfit_files_are_refused(tmp_path):
    model = quick_model()
    with pytest.raises(ValueError, match="masks"):
        write_masks(np.full((2, 4, 4), 0.5), tmp_path / "masks.tif")
    with pytest.raises(ValueError, match="path"):
        write_masks(np.ones((2, 4, 4)), tmp_path / "masks.png")
    with pytest.raises(FileNotFoundError, match="path"):
        read_frames(tmp_path / "none.tif", model)
    with pytest.raises(FileNotFoundError, match="path"):
        load_model(tmp_path / "none.pt")
    text = tmp_path / "text.tif"
    text.write_text("no image")
    for read in (read_masks, lambda path: read_frames(path, model), load_model):
        with pytest.raises(ValueError, match="path"):
            read(text)
    grey = tmp_path / "grey.tif"
    tifffile.imwrite(grey, np.arange(48, dtype=np.uint8).reshape(3, 4, 4))
    with pytest.raises(ValueError, match="levels"):
        read_masks(grey)
    with pytest.raises(ValueError, match=r"\(3, 1, 4, 4\).*\(4, 1, 4, 4\)"):
        read_frames(grey, model)
    tifffile.imwrite(grey, np.full((4, 4, 4), np.nan, np.float32), photometric="minisblack")
    with pytest.raises(ValueError, match="NaN"):
        read_frames(grey, model)
