"""The models against direct quadrature, and against an independent package."""

import numpy as np
import pytest
import torch
from scipy.signal import fftconvolve

from napari_deltamic.optics import (
    ConfocalPSF,
    GibsonLanniPSF,
    LightSheetPSF,
    PupilPSF,
    RichardsWolfPSF,
    SpinningDiscPSF,
    TwoPhotonPSF,
)
from napari_deltamic.optics.diffraction.reference import direct_intensity

WAVELENGTH = 0.52
MODELS = GibsonLanniPSF, PupilPSF, RichardsWolfPSF
OPTICS = {
    "air": {"na": 0.5, "immersion_index": 1.0},
    "air into water": {"na": 0.8, "immersion_index": 1.0, "sample_index": 1.33, "depth": 5.0},
    "water": {"na": 1.1, "immersion_index": 1.33},
    "oil": {"na": 1.4},
    "oil into water": {"na": 1.2, "sample_index": 1.33, "depth": 4.0},
    "thick coverslip": {"na": 1.0, "immersion_index": 1.33, "coverslip_thickness": 176.0},
    "wrong immersion": {"na": 0.9, "immersion_index": 1.34, "immersion_design_index": 1.33},
}
ABERRATIONS = {
    "none": {},
    "astigmatism": {5: 0.08, 6: -0.05},
    "coma and trefoil": {7: 0.1, 8: 0.05, 9: -0.05},
    "spherical": {4: 0.05, 11: 0.15, 22: -0.03},
}
SHAPE = (5, 5, 4)


def steps(psf):
    """A grid in and out of focus, over a few widths."""
    na, index = psf.na.item(), psf.immersion_index.item()
    return 0.6 * WAVELENGTH * index / na**2, 0.3 * WAVELENGTH / na, 0.35 * WAVELENGTH / na


def positions(spacing):
    axes = [step * (np.arange(n) - n // 2) for n, step in zip(SHAPE, spacing, strict=True)]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)


def expected(psf, wavelength=WAVELENGTH, spacing=None):
    points = positions(spacing or steps(psf))
    # The product's z counts from the best focus.
    points[:, 0] += psf.apparent_depth().item()
    return direct_intensity(points, wavelength, psf.arguments())


def relative(found, reference):
    found = found.detach().numpy().ravel()
    reference = reference / reference.sum()
    return np.linalg.norm(found - reference) / np.linalg.norm(reference)


@pytest.mark.parametrize("numbers", OPTICS.values(), ids=OPTICS)
@pytest.mark.parametrize("model", MODELS)
def test_models_agree_with_direct_quadrature(model, numbers):
    psf = model(wavelength=WAVELENGTH, **numbers)
    assert relative(psf.sampled(SHAPE, steps(psf)), expected(psf)) < 5e-4


@pytest.mark.parametrize("waves", ABERRATIONS.values(), ids=ABERRATIONS)
@pytest.mark.parametrize("model", [PupilPSF, RichardsWolfPSF])
def test_aberrated_models_agree_with_direct_quadrature(model, waves):
    psf = model(wavelength=WAVELENGTH, na=1.2, sample_index=1.4, depth=3.0, aberrations=waves)
    assert psf.is_round == all(noll in (4, 11, 22) for noll in waves)
    assert relative(psf.sampled(SHAPE, steps(psf)), expected(psf)) < 5e-4


@pytest.mark.parametrize(
    ("model", "oracle"), [(GibsonLanniPSF, "scalar"), (RichardsWolfPSF, "vectorial")]
)
@pytest.mark.parametrize("name", ["air", "air into water", "water", "oil", "oil into water"])
def test_models_agree_with_psfmodels(model, oracle, name):
    psfmodels = pytest.importorskip("psfmodels", reason="psfmodels has wheels up to Python 3.11")
    numbers = OPTICS[name]
    psf = model(wavelength=WAVELENGTH, axial_range=16.0, **numbers)
    # It interpolates between radii as far apart as the voxels, so they must be small.
    spacing, shape = (0.25, 0.008, 0.008), (9, 101, 101)
    immersion, sample = psf.immersion_index.item(), psf.sample_index.item()
    depth = psf.depth.item()
    # It counts z so that the paraxial focus of the emitter is at its depth.
    paraxial = depth - immersion * depth / sample
    z = spacing[0] * (np.arange(shape[0]) - shape[0] // 2)
    reference = psfmodels.make_psf(
        z + psf.apparent_depth().item() + paraxial,
        shape[1],
        dxy=spacing[1],
        pz=depth,
        NA=numbers["na"],
        wvl=WAVELENGTH,
        ns=sample,
        ni=immersion,
        ni0=immersion,
        oversample_factor=1,
        normalize=False,
        model=oracle,
    )
    assert relative(psf.sampled(shape, spacing), reference.ravel()) < 2e-3


def test_a_round_focus_is_the_same_by_radii_and_by_voxels():
    for make in (
        lambda **more: RichardsWolfPSF(na=1.2, wavelength=0.52, immersion_index=1.33, **more),
        lambda **more: ConfocalPSF(
            na=1.2, excitation_wavelength=0.488, emission_wavelength=0.52, immersion_index=1.33,
            axial_range=1.5, **more,
        ),
    ):  # fmt: skip
        by_radii, by_voxels = make(), make(aberrations={5: 1e-12})
        assert by_radii.is_round
        assert not by_voxels.is_round
        shape, spacing = (9, 17, 15), (0.2, 0.1, 0.12)
        found, other = (psf.sampled(shape, spacing) for psf in (by_radii, by_voxels))
        assert (found - other).norm() < 1e-4 * other.norm()
        frequencies = torch.rand(40, 3, dtype=torch.float64) - 0.5
        frequencies = frequencies * torch.tensor([1.0, 4.0, 4.0])
        found, other = (psf.otf(frequencies) for psf in (by_radii, by_voxels))
        assert (found - other).norm() < 2e-3 * other.norm()


def test_a_pinhole_sees_what_falls_on_it():
    """Against the emission averaged over a disc, point by point."""
    numbers = {"na": 1.2, "immersion_index": 1.33, "axial_range": 3.0}
    confocal = ConfocalPSF(
        excitation_wavelength=0.488, emission_wavelength=WAVELENGTH, pinhole=1.5, **numbers
    )
    emission = RichardsWolfPSF(wavelength=WAVELENGTH, **numbers)
    excitation = RichardsWolfPSF(wavelength=0.488, **numbers)
    radius = 1.5 * 1.22 * WAVELENGTH / 1.2 / 2
    spacing = 0.3, 0.1, 0.12
    nodes, weights = np.polynomial.legendre.leggauss(10)
    seen = np.zeros(int(np.prod(SHAPE)))
    for node, weight in zip(radius * (nodes + 1) / 2, weights, strict=True):
        for angle in 2 * np.pi * np.arange(12) / 12:
            hole = [0.0, node * np.sin(angle), node * np.cos(angle)]
            points = positions(spacing) - hole
            seen += node * weight * direct_intensity(
                points, WAVELENGTH, emission.arguments(), polar=60, azimuthal=32
            )  # fmt: skip
    lit = direct_intensity(
        positions(spacing), 0.488, excitation.arguments(), polar=60, azimuthal=32
    )
    assert relative(confocal.sampled(SHAPE, spacing), lit * seen) < 2e-3


@pytest.mark.parametrize("polarisation", [0.0, 30.0, 90.0])
def test_a_polarised_laser_makes_a_longer_spot_along_its_field(polarisation):
    psf = TwoPhotonPSF(na=1.3, excitation_wavelength=0.9, polarisation=polarisation)
    assert not psf.is_round
    spacing = 0.5, 0.2, 0.2
    once = direct_intensity(positions(spacing), 0.9, psf.arguments(), polarisation=polarisation)
    assert relative(psf.sampled(SHAPE, spacing), once**2) < 1e-3
    fine = psf.sampled((1, 41, 41), (1.0, 0.04, 0.04))[0]
    angle = torch.deg2rad(torch.tensor(polarisation))
    places = 0.04 * (torch.arange(41) - 20)
    along = (places * angle.cos() + places[:, None] * angle.sin()).square()
    across = (places * angle.sin() - places[:, None] * angle.cos()).square()
    assert (along * fine).sum() > 1.2 * (across * fine).sum()


def test_modalities_are_products_of_spots():
    numbers = {"na": 1.0, "immersion_index": 1.33, "axial_range": 4.0}
    spacing = 0.4, 0.15, 0.15
    z = positions(spacing)[:, 0]
    one = direct_intensity(
        positions(spacing), 0.52, RichardsWolfPSF(wavelength=0.52, **numbers).arguments()
    )
    sheet = LightSheetPSF(wavelength=0.52, sheet_thickness=1.0, **numbers)
    assert relative(sheet.sampled(SHAPE, spacing), one * 0.5 ** (4 * z**2)) < 1e-3
    other = TwoPhotonPSF(excitation_wavelength=0.9, **numbers)
    once = direct_intensity(positions(spacing), 0.9, other.arguments())
    assert relative(other.sampled(SHAPE, spacing), once**2) < 1e-3
    disc, confocal = (
        kind(excitation_wavelength=0.488, emission_wavelength=0.52, **more, **numbers)
        for kind, more in (
            (SpinningDiscPSF, {"magnification": 100, "pinhole_diameter": 1, "pinhole_pitch": 900}),
            (ConfocalPSF, {"pinhole": 0.01}),
        )
    )
    alone, pointlike = (psf.sampled(SHAPE, spacing) for psf in (disc, confocal))
    assert (alone - pointlike).norm() < 1e-3 * pointlike.norm()


def test_a_spinning_disc_is_the_mean_over_its_positions():
    """Against one pinhole that passes every place in turn, in the focal plane."""
    numbers = {"na": 1.2, "axial_range": 2.0}
    disc = SpinningDiscPSF(
        excitation_wavelength=0.488,
        emission_wavelength=WAVELENGTH,
        magnification=100,
        pinhole_pitch=5000,
        **numbers,
    )
    count, step = 101, 0.02
    plane, spacing = (1, count, count), (1.0, step, step)
    lit, seen = (
        RichardsWolfPSF(wavelength=wavelength, **numbers)
        .sampled(plane, spacing)
        .detach()
        .numpy()[0]
        for wavelength in (0.488, WAVELENGTH)
    )
    places = step * (np.arange(count) - count // 2)
    hole = np.hypot(*np.meshgrid(places, places)) < 0.25
    through = fftconvolve(lit, hole, mode="same")
    image = np.zeros_like(seen)
    for i, j in np.argwhere(np.hypot(*np.meshgrid(places, places)) < 0.8):
        # With the pinhole here, what reaches the emitter, and what of its image the camera sees.
        down, right = i - count // 2, j - count // 2
        image += through[count // 2 - down, count // 2 - right] * seen * shifted(hole, down, right)
    found = disc.sampled(plane, spacing).detach().numpy()[0]
    image /= image.sum()
    assert np.linalg.norm(found - image) < 0.01 * np.linalg.norm(image)


def shifted(hole, down, right):
    """A mask moved by whole voxels; what leaves the plane is dark."""
    moved = np.roll(hole, (down, right), axis=(0, 1))
    rows, columns = np.indices(hole.shape)
    kept = (rows - down >= 0) & (rows - down < len(hole))
    return moved & kept & (columns - right >= 0) & (columns - right < len(hole))
