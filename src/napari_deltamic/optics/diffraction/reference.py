"""The intensity near a focus by direct quadrature over ray angles: slow, plain, and an oracle.

Written from the angles of the rays, in NumPy, and sharing no code with the product's path: its
rays, its losses and its sums are its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def direct_intensity(
    points: Array,
    wavelength: float,
    numbers: Mapping[str, Any],
    *,
    polarisation: float | None = None,
    polar: int = 240,
    azimuthal: int = 96,
) -> Array:
    """Return the intensity at points, up to one factor for all of them.

    Parameters
    ----------
    points
        (N, 3) in um: how far the focus has been moved into the sample, then y and x from the axis.
    wavelength
        In um.
    numbers
        As :meth:`MicroscopePSF.arguments` returns them; aberrations in waves of this wavelength.
    polarisation
        Of light that comes to the focus: its angle in degrees from x towards y.
    polar, azimuthal
        Rays taken along the polar angle and along the azimuth.
    """
    angle, azimuth, solid = _rays(numbers, polar, azimuthal)
    sine = numbers["immersion_index"] * np.sin(angle)
    path = _layers(numbers, sine)
    aperture = min(numbers["na"], *(numbers[f"{layer}_index"] for layer in ("sample", "coverslip")))
    for noll, waves in (numbers["aberrations"] or {}).items():
        path = path + waves * wavelength * _zernike(noll, sine / aperture, azimuth)
    fields = _fields(numbers, sine, azimuth) * solid
    if polarisation is not None:
        angle_of = np.deg2rad(polarisation)
        fields = np.cos(angle_of) * fields[0::2] + np.sin(angle_of) * fields[1::2]
    cosine = numbers["immersion_index"] * np.cos(angle)
    total = np.zeros(len(points))
    for i, (focus, y, x) in enumerate(points):
        across = sine * (y * np.sin(azimuth) + x * np.cos(azimuth))
        wave = np.exp(2j * np.pi / wavelength * (path - focus * cosine + across))
        total[i] = (np.abs((fields * wave).sum(axis=(1, 2))) ** 2).sum()
    return total


def _rays(numbers: Mapping[str, Any], polar: int, azimuthal: int) -> tuple[Array, Array, Array]:
    """Return polar angles in the immersion (P, 1), azimuths (A,), and weights of d^2 q (P, 1)."""
    index = numbers["immersion_index"]
    aperture = min(numbers["na"], numbers["sample_index"], numbers["coverslip_index"])
    nodes, weights = np.polynomial.legendre.leggauss(polar)
    steepest = np.arcsin(aperture / index)
    angle = (steepest * (nodes + 1) / 2)[:, None]
    azimuth = 2 * np.pi * (np.arange(azimuthal) + 0.5) / azimuthal
    solid = (steepest * weights / 2)[:, None] * np.sin(angle) * np.cos(angle)
    return angle, azimuth, solid


def _layers(numbers: Mapping[str, Any], sine: Array) -> Array:
    """Return the path that sample, coverslip and immersion add to the design, in um."""

    def along(index: float, thickness: float) -> Array:
        return thickness * np.sqrt(index**2 - sine**2)

    slide, glass = numbers["coverslip_thickness"], numbers["coverslip_design_thickness"]
    distance = numbers["working_distance"]
    path: Array = (
        along(numbers["sample_index"], numbers["depth"])
        + along(numbers["coverslip_index"], slide)
        - along(numbers["coverslip_design_index"], glass)
        + along(numbers["immersion_index"], distance)
        - along(numbers["immersion_design_index"], distance)
    )
    return path


def _fields(numbers: Mapping[str, Any], sine: Array, azimuth: Array) -> NDArray[np.float64]:
    """Return (C, P, A) fields of a point; their intensities add up.

    Of a vector field two for each direction of the dipole: seen along x and along y.
    """
    ones = np.ones((len(sine), len(azimuth)))
    if numbers["model"] == "gibson_lanni":
        return ones[None]
    indices = [numbers[f"{layer}_index"] for layer in ("immersion", "coverslip", "sample")]
    cosines = [np.sqrt(1 - (sine / index) ** 2) for index in indices]
    bright: Array = ones / np.sqrt(cosines[0])
    if numbers["model"] == "pupil":
        return bright[None]
    s_kept, p_kept = np.ones_like(sine), np.ones_like(sine)
    for i in (0, 1):
        (n1, n2), (c1, c2) = indices[i : i + 2], cosines[i : i + 2]
        s_kept = s_kept * 2 * n1 * c1 / (n1 * c1 + n2 * c2)
        p_kept = p_kept * 2 * n1 * c1 / (n2 * c1 + n1 * c2)
    cos, sin = np.cos(azimuth), np.sin(azimuth)
    zero = np.zeros_like(ones)
    # Unit vectors of both polarisations in the sample, and where they point in the pupil.
    s_here = np.stack([-sin * ones, cos * ones, zero])
    p_here = np.stack([cosines[2] * cos, cosines[2] * sin, -sine / indices[2] * ones])
    s_there = np.stack([-sin * ones, cos * ones])
    p_there = np.stack([cos * ones, sin * ones])
    found = [
        bright * (s_kept * s_here[dipole] * s_there[seen] + p_kept * p_here[dipole] * p_there[seen])
        for dipole in range(3)
        for seen in range(2)
    ]
    return np.array(found)


def _zernike(noll: int, rho: Array, azimuth: Array) -> Array:
    """Return Noll's Zernike polynomial in polar coordinates; the index is counted out."""
    count, n = 0, -1
    while count < noll:
        n += 1
        orders = sorted((m for m in range(-n, n + 1) if (n - m) % 2 == 0), key=abs)
        count += len(orders)
    # Within a degree |m| rises; even indices are cosines.
    size = [abs(m) for m in orders][noll - (count - len(orders)) - 1]
    radial = sum(
        (-1) ** k * comb(n - k, k) * comb(n - 2 * k, (n - size) // 2 - k) * rho ** (n - 2 * k)
        for k in range((n - size) // 2 + 1)
    )
    turned = np.cos(size * azimuth) if noll % 2 == 0 or size == 0 else np.sin(size * azimuth)
    norm = np.sqrt(n + 1 if size == 0 else 2 * (n + 1))
    found: Array = norm * radial * turned
    return found
