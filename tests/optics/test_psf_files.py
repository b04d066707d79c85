import base64
import json
import re
import zlib

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import napari_deltamic as dm
from napari_deltamic.optics.packed_voxels import MOST_VOXELS

QUICK = settings(max_examples=25, deadline=None)
WIDTHS = st.floats(0.01, 5.0)
WAVELENGTHS = st.floats(0.35, 0.9)
LENGTHS = {
    dm.WidefieldPSF: {"wavelength": WAVELENGTHS},
    dm.GibsonLanniPSF: {"wavelength": WAVELENGTHS},
    dm.PupilPSF: {"wavelength": WAVELENGTHS},
    dm.RichardsWolfPSF: {"wavelength": WAVELENGTHS},
    dm.ConfocalPSF: {
        "excitation_wavelength": WAVELENGTHS,
        "emission_wavelength": WAVELENGTHS,
        "pinhole": st.floats(0.1, 5.0),
    },
    dm.SpinningDiscPSF: {
        "excitation_wavelength": WAVELENGTHS,
        "emission_wavelength": WAVELENGTHS,
        "magnification": st.floats(10.0, 150.0),
    },
    dm.LightSheetPSF: {"wavelength": WAVELENGTHS, "sheet_thickness": st.floats(0.2, 20.0)},
    dm.TwoPhotonPSF: {"excitation_wavelength": st.floats(0.7, 1.3)},
}
ABERRATIONS = st.dictionaries(st.integers(2, 120), st.floats(-1.0, 1.0), max_size=6)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("psf") / "some.json"


def again(psf, path):
    dm.save_psf(psf, path)
    return dm.load_psf(path)


@QUICK
@given(st.one_of(WIDTHS, st.tuples(WIDTHS, WIDTHS, WIDTHS)))
def test_gaussian_widths_come_back(path, sigma):
    found = again(dm.GaussianPSF(sigma), path)
    np.testing.assert_allclose(found.sigma.detach(), np.broadcast_to(sigma, 3), rtol=1e-12)
    assert len(found.quantities()) == 3


@QUICK
@given(st.tuples(WIDTHS, WIDTHS, WIDTHS), st.floats(-0.9, 0.9))
def test_gaussian_covariances_come_back(path, sigma, tilt):
    covariance = np.diag(np.square(sigma))
    covariance[0, 1] = covariance[1, 0] = tilt * sigma[0] * sigma[1]
    found = again(dm.GaussianPSF(covariance=covariance), path)
    np.testing.assert_allclose(found.covariance.detach(), covariance, rtol=1e-9, atol=1e-12)
    assert len(found.quantities()) == 6


@pytest.mark.parametrize("kind", LENGTHS)
def test_microscopes_come_back_exactly(kind, path):
    @QUICK
    @given(st.fixed_dictionaries(LENGTHS[kind]), st.floats(0.1, 1.32), ABERRATIONS)
    def comes_back(lengths, na, aberrations):
        psf = kind(**lengths, na=na, sample_index=1.38, depth=7.5, aberrations=aberrations)
        found = again(psf, path)
        assert type(found) is kind
        assert found.arguments() == psf.arguments()

    comes_back()


@QUICK
@given(
    st.tuples(*[st.integers(1, 6)] * 3),
    st.tuples(*[st.floats(0.01, 2.0)] * 3),
    st.integers(0, 2**32 - 1),
)
def test_measured_voxels_come_back(path, shape, spacing, seed):
    voxels = np.random.default_rng(seed).uniform(-0.1, 1.0, shape)
    voxels += 1.0 - voxels.min()
    psf = dm.MeasuredPSF(voxels, spacing)
    found = again(psf, path)
    assert (found.spacing, found.centre) == (psf.spacing, psf.centre)
    torch.testing.assert_close(found.voxels, psf.voxels, rtol=1e-6, atol=0.0)


def test_what_was_learned_is_saved(path):
    psf = dm.ConfocalPSF(na=1.2, excitation_wavelength=0.488, emission_wavelength=0.52)
    with torch.no_grad():
        psf.pinhole.fill_(1.7)
    assert again(psf, path).arguments()["pinhole"] == 1.7


def test_few_numbers_are_enough_by_hand(path):
    write(path, "ConfocalPSF", na=1.2, excitation_wavelength=0.488, emission_wavelength=0.52)
    found = dm.load_psf(path)
    assert found.arguments()["pinhole"] == 1.0


def write(path, kind, version=1, **arguments):
    content = {
        "format": "napari-deltamic PSF",
        "version": version,
        "class": kind,
        "arguments": arguments,
    }
    path.write_text(json.dumps(content))


def volume(shape=(2, 2, 2), data=None, encoding="float32, little-endian, zlib, base64"):
    if data is None:
        data = base64.b64encode(zlib.compress(np.ones((2, 2, 2), "<f4").tobytes())).decode()
    return {"shape": shape, "encoding": encoding, "data": data}


BOMB = base64.b64encode(zlib.compress(bytes(50_000_000))).decode()
LENS = {"na": 1.2, "wavelength": 0.52}


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        ("PSF", {}, "class: expected one of"),
        ("os.system", {}, "class: expected one of"),
        ("GaussianPSF", {}, "sigma, covariance: give exactly one"),
        ("GaussianPSF", {"sigma": "wide"}, "sigma: expected a number"),
        ("GaussianPSF", {"sigma": [1.0, 2.0]}, "sigma: expected"),
        ("GaussianPSF", {"sigma": -1.0}, "sigma: expected"),
        ("GaussianPSF", {"sigma": True}, "sigma: expected"),
        ("GaussianPSF", {"covariance": [[1, 0, 0]]}, "covariance: expected"),
        ("GaussianPSF", {"sigma": 1.0, "colour": 3}, "colour: GaussianPSF has no such number"),
        ("WidefieldPSF", {"na": 1.2}, "wavelength: missing"),
        ("WidefieldPSF", {"wavelength": 0.5}, "na: missing"),
        ("WidefieldPSF", LENS | {"na": None}, "na: missing"),
        ("WidefieldPSF", LENS | {"na": "1.2"}, "na: expected a number"),
        ("WidefieldPSF", LENS | {"na": 10**400}, "arguments: "),
        ("WidefieldPSF", LENS | {"na": 1.6}, "na: 1.6 needs an immersion"),
        ("WidefieldPSF", LENS | {"wavelength": 520}, "wavelength: expected micrometres"),
        ("WidefieldPSF", LENS | {"sample_indx": 1.33}, "sample_indx: WidefieldPSF has no"),
        ("WidefieldPSF", LENS | {"model": 3}, "model: expected its name"),
        ("WidefieldPSF", LENS | {"model": "magic"}, "model: expected one of"),
        ("PupilPSF", LENS | {"model": "richards_wolf"}, "model: PupilPSF is always 'pupil'"),
        ("WidefieldPSF", LENS | {"aberrations": [1]}, "aberrations: expected waves"),
        ("WidefieldPSF", LENS | {"aberrations": {"5": "a"}}, "aberrations: expected waves"),
        ("WidefieldPSF", LENS | {"aberrations": {"1": 0.1}}, "aberrations: Noll indices"),
        ("MeasuredPSF", {"voxels": volume()}, "spacing: missing"),
        ("MeasuredPSF", {"voxels": volume(), "spacing": [1, 1, 0]}, "spacing: expected three"),
        ("MeasuredPSF", {"voxels": 1.0, "spacing": [1, 1, 1]}, "voxels: expected shape"),
        ("MeasuredPSF", {"voxels": volume([2, 2]), "spacing": [1, 1, 1]}, "voxels: expected a sh"),
        ("MeasuredPSF", {"voxels": volume([3, 2, 2]), "spacing": [1, 1, 1]}, "does not hold"),
        ("MeasuredPSF", {"voxels": volume([1, 2, 2]), "spacing": [1, 1, 1]}, "does not hold"),
        ("MeasuredPSF", {"voxels": volume(data="@@@@"), "spacing": [1, 1, 1]}, "damaged data"),
        ("MeasuredPSF", {"voxels": volume(data="AAAA"), "spacing": [1, 1, 1]}, "damaged data"),
        ("MeasuredPSF", {"voxels": volume(data="é"), "spacing": [1, 1, 1]}, "damaged data"),
        ("MeasuredPSF", {"voxels": volume(data=BOMB), "spacing": [1, 1, 1]}, "does not hold"),
        ("MeasuredPSF", {"voxels": volume(data=3), "spacing": [1, 1, 1]}, "not text"),
        ("MeasuredPSF", {"voxels": volume(encoding="?"), "spacing": [1, 1, 1]}, "encoding"),
        (
            "MeasuredPSF",
            {"voxels": volume([MOST_VOXELS, 2, 2]), "spacing": [1, 1, 1]},
            "at most 67,108,864 voxels",
        ),
    ],
)
def test_bad_content_is_refused_with_the_file_and_the_number(tmp_path, kind, arguments, message):
    path = tmp_path / "bad.json"
    write(path, kind, **arguments)
    with pytest.raises(ValueError, match=f"bad.json: .*{re.escape(message)}"):
        dm.load_psf(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON file"),
        ("{", "not a JSON file"),
        ("[" * 100_000, "not a JSON file"),
        ('{"na": NaN}', "NaN is not a number"),
        ("1" * 5000, "not a JSON file"),
        ("[1]", "format: not a PSF file"),
        ('{"format": "mesh"}', "format: not a PSF file"),
        ('{"format": "napari-deltamic PSF", "version": 2}', "version: expected 1, got 2"),
        ('{"format": "napari-deltamic PSF", "version": 1, "class": []}', "class: expected"),
        (
            '{"format": "napari-deltamic PSF", "version": 1, "class": "GaussianPSF"}',
            "arguments: expected numbers by name",
        ),
    ],
)
def test_other_files_are_refused(tmp_path, text, message):
    path = tmp_path / "bad.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=f"bad.json: .*{message}"):
        dm.load_psf(path)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "bad.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ValueError, match=r"bad\.json: not a JSON file"):
        dm.load_psf(tmp_path / "bad.json")


def test_other_endings_and_missing_files_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"psf\.tif: a PSF file ends in \.json"):
        dm.save_psf(dm.GaussianPSF(1.0), tmp_path / "psf.tif")
    with pytest.raises(FileNotFoundError, match=r"psf\.json: there is no such file"):
        dm.load_psf(tmp_path / "psf.json")


def test_a_psf_of_another_package_is_refused(tmp_path):
    class Mine(dm.GaussianPSF):
        pass

    with pytest.raises(ValueError, match="psf: Mine cannot be saved"):
        dm.save_psf(Mine(1.0), tmp_path / "mine.json")
    assert not list(tmp_path.iterdir())


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "psf.json"
    dm.save_psf(dm.GaussianPSF(1.0), path)
    before = path.read_bytes()

    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr("pathlib.Path.replace", fail)
    with pytest.raises(OSError, match="no space"):
        dm.save_psf(dm.GaussianPSF(2.0), path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
