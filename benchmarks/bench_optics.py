"""PSF models: their error against direct quadrature and against psfmodels, and their time.

Run with ``python benchmarks/bench_optics.py``. psfmodels is an oracle here and in the tests only.
"""

from __future__ import annotations

import copy
import importlib.util
import time
from collections.abc import Callable

import numpy as np
import torch
from rich.console import Console
from rich.table import Table

from napari_deltamic.optics import (
    PSF,
    ConfocalPSF,
    GibsonLanniPSF,
    LightSheetPSF,
    PupilPSF,
    RichardsWolfPSF,
    SpinningDiscPSF,
    TwoPhotonPSF,
)
from napari_deltamic.optics.diffraction.reference import direct_intensity
from napari_deltamic.optics.microscope import MicroscopePSF

WAVELENGTH = 0.52
OPTICS = {
    "0.5 air": {"na": 0.5, "immersion_index": 1.0},
    "0.8 air, 5 um into water": {
        "na": 0.8, "immersion_index": 1.0, "sample_index": 1.33, "depth": 5.0
    },
    "1.1 water": {"na": 1.1, "immersion_index": 1.33},
    "1.2 oil, 4 um into water": {"na": 1.2, "sample_index": 1.33, "depth": 4.0},
    "1.4 oil": {"na": 1.4},
    "1.4 oil, 5 um into 1.45": {"na": 1.4, "sample_index": 1.45, "depth": 5.0},
}  # fmt: skip
LASER = {"excitation_wavelength": 0.488, "emission_wavelength": 0.525}
TIMED: dict[str, Callable[..., MicroscopePSF]] = {
    "widefield, Gibson-Lanni": lambda **more: GibsonLanniPSF(na=1.2, wavelength=0.52, **more),
    "widefield, pupil": lambda **more: PupilPSF(na=1.2, wavelength=0.52, **more),
    "widefield, Richards-Wolf": lambda **more: RichardsWolfPSF(na=1.2, wavelength=0.52, **more),
    "confocal": lambda **more: ConfocalPSF(na=1.2, **LASER, **more),
    "spinning disc": lambda **more: SpinningDiscPSF(na=1.2, magnification=60, **LASER, **more),
    "light sheet": lambda **more: LightSheetPSF(
        na=0.8, wavelength=0.52, sheet_thickness=2.0, **more
    ),
    "two-photon": lambda **more: TwoPhotonPSF(na=1.0, excitation_wavelength=0.92, **more),
}


def main() -> None:
    """Print both tables."""
    console = Console(width=110)
    errors = Table(title="Relative L2 error, in and out of focus", title_justify="left")
    for column in ("objective", "model", "direct quadrature", "aberrated", "psfmodels"):
        errors.add_column(column)
    for name, numbers in OPTICS.items():
        for model in (GibsonLanniPSF, PupilPSF, RichardsWolfPSF):
            psf = model(wavelength=WAVELENGTH, axial_range=16.0, **numbers)
            bent = model(wavelength=WAVELENGTH, aberrations={5: 0.1, 8: 0.08, 11: 0.1}, **numbers)
            errors.add_row(name, model.__name__, _direct(psf), _direct(bent), _independent(psf))
    console.print(errors)
    times = Table(title="Time in ms, 2 threads: the shortest of five", title_justify="left")
    for column in ("model", "64^3 voxels", "aberrated, float32", "OTF, 80x128x65", "aberrated"):
        times.add_column(column)
    grid = torch.stack(
        torch.meshgrid(
            torch.fft.fftfreq(80, 0.3), torch.fft.fftfreq(128, 0.1), torch.fft.rfftfreq(128, 0.1),
            indexing="ij",
        ),
        dim=-1,
    )  # fmt: skip
    for name, make in TIMED.items():
        plain, bent = make(), make(aberrations={5: 0.05, 8: 0.05, 11: 0.05})
        single = copy.deepcopy(bent).float()
        times.add_row(
            name,
            _milliseconds(lambda psf=plain: psf.sampled((64, 64, 64), (0.15, 0.06, 0.06))),
            _milliseconds(lambda psf=single: psf.sampled((64, 64, 64), (0.15, 0.06, 0.06))),
            _milliseconds(lambda psf=plain: _fresh(psf).otf(grid)),
            _milliseconds(lambda psf=bent: _fresh(psf).otf(grid)),
        )
    console.print(times)


def _direct(psf: MicroscopePSF) -> str:
    shape, index, na = (7, 7, 6), psf.immersion_index.item(), psf.na.item()
    spacing = 0.5 * WAVELENGTH * index / na**2, 0.25 * WAVELENGTH / na, 0.3 * WAVELENGTH / na
    axes = [step * (np.arange(n) - n // 2) for n, step in zip(shape, spacing, strict=True)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
    points[:, 0] += psf.apparent_depth().item()
    return _relative(
        psf.sampled(shape, spacing), direct_intensity(points, WAVELENGTH, psf.arguments())
    )


def _independent(psf: MicroscopePSF) -> str:
    if isinstance(psf, PupilPSF):
        return "has none"
    if importlib.util.find_spec("psfmodels") is None:
        return "not installed"
    import psfmodels

    # It interpolates between radii a voxel apart, so voxels must be small.
    spacing, shape = (0.25, 0.006, 0.006), (9, 151, 151)
    depth, immersion = psf.depth.item(), psf.immersion_index.item()
    z = spacing[0] * (np.arange(shape[0]) - shape[0] // 2)
    reference = psfmodels.make_psf(
        z + psf.apparent_depth().item() + depth * (1 - immersion / psf.sample_index.item()),
        shape[1],
        dxy=spacing[1],
        pz=depth,
        NA=psf.na.item(),
        wvl=WAVELENGTH,
        ns=psf.sample_index.item(),
        ni=immersion,
        ni0=immersion,
        oversample_factor=1,
        normalize=False,
        model="scalar" if isinstance(psf, GibsonLanniPSF) else "vectorial",
    )
    return _relative(psf.sampled(shape, spacing), reference.ravel())


def _relative(found: torch.Tensor, reference: np.ndarray) -> str:
    reference = reference / reference.sum()
    error = np.linalg.norm(found.detach().numpy().ravel() - reference) / np.linalg.norm(reference)
    return f"{error:.1e}"


def _fresh(psf: MicroscopePSF) -> PSF:
    return type(psf)(**psf.arguments())


def _milliseconds(run: Callable[[], object]) -> str:
    times = []
    with torch.no_grad():
        for _ in range(6):
            started = time.perf_counter()
            run()
            times.append(time.perf_counter() - started)
    return f"{1e3 * min(times):.0f}"


if __name__ == "__main__":
    main()
