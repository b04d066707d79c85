"""What every model of a microscope promises: gradients, energy, symmetry, and clear errors."""

import copy

import numpy as np
import pytest
import torch

from napari_deltamic.optics import (
    ConfocalPSF,
    GaussianPSF,
    GibsonLanniPSF,
    LightSheetPSF,
    PupilPSF,
    RichardsWolfPSF,
    SpinningDiscPSF,
    TwoPhotonPSF,
    WidefieldPSF,
)
from napari_deltamic.optics.quantities import called_with, raw_values, with_raw_values

LASER = {"excitation_wavelength": 0.488, "emission_wavelength": 0.525}
MISMATCHED = {"na": 1.2, "sample_index": 1.4, "depth": 2.0}
PSFS = {
    "gibson-lanni": lambda **more: GibsonLanniPSF(
        wavelength=0.52, axial_range=1.0, **MISMATCHED, **more
    ),
    "pupil": lambda **more: PupilPSF(wavelength=0.52, axial_range=0.8, **MISMATCHED, **more),
    "richards-wolf": lambda **more: RichardsWolfPSF(
        wavelength=0.52, axial_range=0.8, **MISMATCHED, **more
    ),
    "confocal": lambda **more: ConfocalPSF(na=1.2, axial_range=0.8, **LASER, **more),
    "polarised": lambda **more: ConfocalPSF(
        na=1.2, polarisation=20.0, axial_range=0.6, **LASER, **more
    ),
    "spinning disc": lambda **more: SpinningDiscPSF(
        na=1.2, magnification=60, axial_range=0.8, **LASER, **more
    ),
    "light sheet": lambda **more: LightSheetPSF(
        na=0.8, wavelength=0.52, sheet_thickness=1.0, immersion_index=1.33, **more
    ),
    "two-photon": lambda **more: TwoPhotonPSF(
        na=1.0, excitation_wavelength=0.9, immersion_index=1.33, axial_range=2.0, **more
    ),
}
every_psf = pytest.mark.parametrize("make", PSFS.values(), ids=PSFS)
SPACING = 0.2, 0.1, 0.1


def frequencies(count, psf):
    rng = np.random.default_rng(3)
    band = 1.2 * psf.na.item() / 0.5 * rng.random((count, 3)) * [0.3, 1.0, 1.0]
    return torch.from_numpy(band * rng.choice([-1, 1], (count, 3)))


@pytest.mark.parametrize("waves", [{}, {5: 0.05, 8: -0.1, 11: 0.08}], ids=["round", "aberrated"])
@every_psf
def test_all_quantities_can_be_differentiated(make, waves):
    psf = make(aberrations=waves)
    quantities = psf.quantities()
    assert {q.parameter for q in quantities} >= {"na", "sample_index", "depth"}
    raw = torch.tensor(raw_values(psf, quantities), requires_grad=True)
    k = frequencies(4, psf)

    def transfer(raw):
        return torch.view_as_real(called_with(psf, quantities, raw, "otf", k))

    def voxels(raw):
        return called_with(psf, quantities, raw, "sampled", (2, 3, 3), SPACING)

    for what in (transfer, voxels):
        assert torch.autograd.gradcheck(
            what, raw, atol=1e-6, rtol=1e-4, check_forward_ad=not waves, fast_mode=bool(waves)
        )


@every_psf
def test_it_holds_all_its_light(make):
    psf = make()
    assert psf.sampled((7, 9, 8), SPACING).sum().item() == pytest.approx(1, abs=1e-12)
    for waves in ({}, {7: 0.1}):
        transfer = make(aberrations=waves).otf(torch.zeros(1, 3, dtype=torch.float64))
        assert abs(transfer.item() - 1) < 1e-6


@every_psf
def test_its_own_voxels_hold_all_light_within_its_extent(make):
    psf = make()
    extent = psf.extent()
    steps = np.array([psf.layout().axial_step, *[psf.layout().lateral_step] * 2])
    half = np.ceil(1.3 * extent / steps).astype(int)
    voxels = psf.sampled(tuple(2 * half + 1), tuple(steps)).detach().numpy()
    assert voxels.min() > -1e-12
    for axis, (reach, step, n) in enumerate(zip(extent, steps, half, strict=True)):
        light = voxels.sum(axis=tuple({0, 1, 2} - {axis}))
        inside = abs(step * np.arange(-n, n + 1)) <= reach + step
        # Of a square, so a little more light lies within than of a disc.
        assert light[inside].sum() > 0.998


@every_psf
def test_it_is_symmetric_where_optics_are(make):
    psf = make()
    voxels = psf.sampled((9, 11, 11), SPACING)
    mirrors = [voxels.flip(1), voxels.flip(2), voxels.transpose(1, 2)]
    for mirrored in mirrors if psf.is_round else [voxels.flip((1, 2))]:
        torch.testing.assert_close(mirrored, voxels, rtol=0, atol=1e-6 * voxels.max().item())
    matched = psf.sample_index == psf.immersion_index
    error = (voxels.flip(0) - voxels).abs().max() / voxels.max()
    assert (error < 1e-6) == matched


@every_psf
def test_the_transfer_function_is_that_of_the_voxels(make):
    psf = make(aberrations={7: 0.08})
    layout = psf.layout()
    half = int(layout.lateral_reach / layout.lateral_step) + 1
    planes = int(layout.axial_reach / layout.axial_step) + 1
    shape = 2 * planes + 1, 2 * half + 1, 2 * half + 1
    steps = layout.axial_step, layout.lateral_step, layout.lateral_step
    with torch.no_grad():
        voxels = psf.float().sampled(shape, steps).double()
        k = frequencies(3, psf)
        axes = [
            step * (torch.arange(n, dtype=torch.float64) - n // 2)
            for n, step in zip(shape, steps, strict=True)
        ]
        waves = [torch.exp(-2j * torch.pi * k[:, i, None] * axes[i]) for i in range(3)]
        summed = torch.einsum("zyx,nz,ny,nx->n", voxels.to(waves[0].dtype), *waves)
        assert (psf.double().otf(k) - summed).abs().max() < 3e-3


def test_what_no_light_carries_is_zero():
    psf = PupilPSF(na=0.8, wavelength=0.5, immersion_index=1.0)
    beyond = torch.tensor([[0.0, 3.3, 0.0], [0.0, 2.4, 2.4], [2.0, 1.0, 0.0], [0.8, 0.1, 0.0]])
    assert psf.otf(beyond).abs().max() < 2e-3


def test_the_transfer_function_comes_in_the_frequencies_precision():
    for waves in ({}, {7: 0.1}):
        psf = PupilPSF(na=0.8, wavelength=0.5, immersion_index=1.0, aberrations=waves)
        grid = torch.stack(
            torch.meshgrid(*[torch.linspace(-1, 1, n) for n in (3, 4, 5)], indexing="ij"), dim=-1
        )
        for dtype in (torch.float32, torch.float64):
            on_grid = psf.otf(grid.to(dtype))
            one_by_one = psf.otf(grid.to(dtype).reshape(-1, 3)).reshape(3, 4, 5)
            assert on_grid.dtype == one_by_one.dtype == dtype.to_complex()
            torch.testing.assert_close(on_grid, one_by_one, rtol=0, atol=1e-5)


def test_widths_are_those_of_textbooks():
    psf = GibsonLanniPSF(na=0.5, wavelength=0.5, immersion_index=1.0)
    fine = psf.sampled((1, 1, 401), (1.0, 1.0, 0.004))[0, 0]
    assert (fine > fine.max() / 2).sum() * 0.004 == pytest.approx(0.51 * 0.5 / 0.5, abs=0.01)
    deep = psf.sampled((401, 1, 1), (0.04, 1.0, 1.0))[:, 0, 0]
    axial = 0.886 * 0.5 / (1 - np.sqrt(1 - 0.5**2))
    assert (deep > deep.max() / 2).sum() * 0.04 == pytest.approx(axial, rel=0.03)


def test_a_mismatched_sample_looks_shallower_than_it_is_or_deeper():
    """Paraxially the depth is seen stretched by the ratio of the indices."""
    for sample in (1.33, 1.6):
        psf = PupilPSF(na=0.2, wavelength=0.5, sample_index=sample, depth=10.0)
        assert psf.apparent_depth().item() == pytest.approx(10.0 * 1.515 / sample, rel=0.01)


def test_phase_is_kept():
    coma = PupilPSF(na=0.8, wavelength=0.5, immersion_index=1.0, aberrations={8: 0.15})
    k = torch.tensor([[0.0, 0.0, 1.0]], dtype=torch.float64)
    assert coma.otf(k).imag.abs().item() > 0.02
    assert coma.otf(-k).item() == pytest.approx(coma.otf(k).conj().item())
    deep = PupilPSF(na=1.1, wavelength=0.5, sample_index=1.33, depth=10.0)
    assert deep.otf(torch.tensor([[0.3, 0.5, 0.0]])).imag.abs().item() > 0.01


def test_what_it_remembers_never_outlives_its_numbers():
    psf = PupilPSF(na=0.8, wavelength=0.5, immersion_index=1.0)
    k = torch.tensor([[0.0, 1.0, 0.0]])
    with torch.no_grad():
        before, extent = psf.otf(k), psf.extent()
        assert torch.equal(psf.otf(k), before)
        twin = copy.deepcopy(psf)
        twin.na.fill_(0.6)
        assert not torch.equal(twin.otf(k), before)
        assert twin.extent()[0] > extent[0]
        assert torch.equal(psf.otf(k), before)
    quantities = [q for q in psf.quantities() if q.name == "na"]
    raw = torch.tensor([0.6], dtype=torch.float64)
    torch.testing.assert_close(called_with(psf, quantities, raw, "otf", k), twin.otf(k))
    torch.testing.assert_close(with_raw_values(psf, quantities, raw).otf(k), twin.otf(k))


@every_psf
def test_arguments_make_an_equal_psf(make):
    psf = make(aberrations={5: 0.05, 11: -0.1})
    again = type(psf)(**psf.arguments())
    assert again.arguments() == psf.arguments()
    assert {name: held.tolist() for name, held in again.named_parameters()} == {
        name: held.tolist() for name, held in psf.named_parameters()
    }


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"na": 1.4, "immersion_index": 1.33}, "na: 1.4 needs an immersion"),
        ({"na": -0.1}, "na: expected a positive number"),
        ({"na": "wide"}, "na: expected a number, got 'wide'"),
        ({"na": float("nan")}, "na: expected a number"),
        ({"wavelength": 520.0}, "wavelength: expected micrometres.* 520 nm are 0.52"),
        ({"sample_index": 0.5}, "sample_index: a refractive index"),
        ({"depth": -1.0}, "depth: expected 0 to 5000 um"),
        ({"aberrations": {4: "much"}}, "aberrations: expected waves by Noll index"),
        ({"model": "ray"}, "model: expected one of gibson_lanni, pupil, richards_wolf"),
        ({"axial_range": 0.0}, "axial_range: expected a distance"),
        ({"aberrations": {1: 0.1}}, "aberrations: Noll indices go from 2"),
        ({"aberrations": {5: 9.0}}, "aberrations: mode 5 is 9 waves"),
        ({"aberrations": {"coma": 0.1}}, "aberrations: expected waves by Noll index"),
    ],
)
def test_impossible_numbers_are_named(numbers, message):
    with pytest.raises(ValueError, match=message):
        WidefieldPSF(**{"na": 1.0, "wavelength": 0.52, **numbers})


def test_numbers_that_do_not_exist_or_are_missing_are_named():
    with pytest.raises(TypeError, match="sample_indx: there is no such number; known are na, imm"):
        WidefieldPSF(na=1.0, wavelength=0.52, sample_indx=1.33)
    with pytest.raises(ValueError, match="na: missing"):
        WidefieldPSF(wavelength=0.52)
    with pytest.raises(ValueError, match="wavelength: missing"):
        WidefieldPSF(na=1.0, wavelength=None)


@pytest.mark.parametrize("make", [lambda: GaussianPSF(0.3), PSFS["pupil"]])
def test_impossible_voxels_are_named(make):
    for shape in ((0, 4, 4), (4, 4), (2.5, 4, 4)):
        with pytest.raises(ValueError, match="shape: expected three numbers of voxels"):
            make().sampled(shape, SPACING)
    with pytest.raises(ValueError, match="spacing: expected three positive voxel sizes"):
        make().sampled((4, 4, 4), (0.1, -0.1, 0.1))


def test_a_class_of_one_model_refuses_another():
    with pytest.raises(ValueError, match="model: GibsonLanniPSF is always 'gibson_lanni'"):
        GibsonLanniPSF(na=1.0, wavelength=0.52, model="pupil")


def test_what_has_no_polarisation_is_refused():
    with pytest.raises(ValueError, match="polarisation: the field of model 'pupil' has none"):
        ConfocalPSF(na=1.2, polarisation=0.0, model="pupil", **LASER)
    with pytest.raises(ValueError, match="polarisation: expected degrees"):
        ConfocalPSF(na=1.2, polarisation=1000.0, **LASER)


def test_learned_numbers_stay_possible_together():
    psf = ConfocalPSF(na=1.4, **LASER)
    bounds = {q.name: (q.lower, q.upper) for q in psf.quantities()}
    assert bounds["na"][1] <= bounds["immersion_index"][0]


def test_pinholes_that_touch_are_refused():
    with pytest.raises(ValueError, match="pinhole_pitch: 20 um is less"):
        SpinningDiscPSF(na=1.2, magnification=60, pinhole_pitch=20, **LASER)
