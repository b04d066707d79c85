"""Files of trained models: what is saved comes back, and files that ask for more are refused."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from compressive_cases import quick_model

from napari_deltamic.compressive import load_model, save_model
from napari_deltamic.compressive.checkpoint import load_checkpoint, save_checkpoint
from napari_deltamic.compressive.progress import Progress
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.optics.files import text_of_psf


class Evil:
    def __reduce__(self):
        return os.system, ("exit 3",)


@pytest.fixture
def file(tmp_path) -> Path:
    save_model(quick_model(), tmp_path / "model.pt")
    return tmp_path / "model.pt"


def change(file: Path, **changes: object) -> None:
    torch.save(torch.load(file, weights_only=True) | changes, file)


def settings_with(**changes: object) -> str:
    settings = quick_model().settings.model_copy(update=changes)
    return settings.model_dump_json()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"field": (1, 16 * 10**6, 16 * 10**6)}, "its field is .* and its patterns have"),
        ({"field": (10**9, 32, 32)}, "its light spreads over"),
        ({"field": (1, 32)}, "three numbers of voxels"),
        ({"field": "field"}, "three numbers of voxels"),
        ({"spacing": (1e-9, 1e-9, 1e-9)}, "its light spreads over"),
        ({"emission": text_of_psf(GaussianPSF((1e6, 1e6, 1e6)))}, "its light spreads over"),
        ({"excitation": "{}"}, "not a PSF file"),
        ({"excitation": 7}, ""),
        ({"settings": "[" * 10**5}, ""),
        ({"version": 99}, "version 99"),
        ({"weights": {}}, "acquisition.patterns"),
    ],
)
def test_models_that_ask_for_too_much_are_refused(file, changes, message: str) -> None:
    change(file, **changes)
    with pytest.raises(ValueError, match=rf"path: .*is no model of this program.*{message}"):
        load_model(file)


def test_more_patterns_than_the_file_has_are_not_made(file) -> None:
    change(file, settings=settings_with(frames=64))
    with pytest.raises(ValueError, match="its patterns have"):
        load_model(file)


def test_weights_that_repeat_themselves_are_refused(file) -> None:
    content = torch.load(file, weights_only=True)
    content["weights"]["acquisition.patterns"] = torch.zeros(1, 1, 1).expand(4, 32, 32)
    torch.save(content, file)
    with pytest.raises(ValueError, match="its patterns have"):
        load_model(file)


def test_no_code_is_run(file) -> None:
    change(file, field=Evil())
    with pytest.raises(ValueError, match="is no model of this program"):
        load_model(file)


def test_compressed_and_older_formats_are_refused(file, tmp_path) -> None:
    with zipfile.ZipFile(file) as archive:
        members = {one.filename: archive.read(one) for one in archive.infolist()}
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="compressed"):
        load_model(file)
    torch.save({"format": 1}, file, _use_new_zipfile_serialization=False)
    with pytest.raises(ValueError, match="not a zip file"):
        load_model(file)


def test_a_damaged_training_is_refused_in_words(tmp_path) -> None:
    model, file = quick_model(), tmp_path / "training.pt"
    optimiser = torch.optim.Adam(model.parameters())
    save_checkpoint(file, "one", Progress(torch.Generator()), model, optimiser)
    assert load_checkpoint(file, "one", model, optimiser).step == 0
    for changes in ({"model": {}}, {"optimiser": 7}, {"generator": torch.zeros(3)}, {"epochs": 1}):
        save_checkpoint(file, "one", Progress(torch.Generator()), model, optimiser)
        change(file, **changes)
        with pytest.raises(ValueError, match=r"checkpoint: .*is damaged .*start afresh"):
            load_checkpoint(file, "one", model, optimiser)
