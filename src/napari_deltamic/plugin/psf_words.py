"""What the PSF designer says: about sampling, about beads, about what was learned."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from numpy.typing import NDArray

if TYPE_CHECKING:
    import numpy as np

    from napari_deltamic.fitting.state import LearnedQuantity
    from napari_deltamic.optics.bead_average import BeadMeasurement
    from napari_deltamic.optics.match_result import Match

# Rounding of a voxel size is no reason to warn.
_TOLERANCE = 1.03
_MUCH = 1.7
_ARGUMENTS = {"wavelength": "emission", "emission_wavelength": "emission"}
_ARGUMENTS |= {"excitation_wavelength": "excitation", "na": "NA"}


class Verdict(NamedTuple):
    """Whether an image is sampled finely enough."""

    text: str
    is_good: bool


def sampling(nyquist: NDArray[np.float64], spacing: NDArray[np.float64]) -> Verdict:
    """Compare an image's voxels with the largest that lose nothing of a PSF.

    Parameters
    ----------
    nyquist, spacing
        (3,) in um, (z, y, x).
    """
    ratios = spacing / nyquist
    coarse = [i for i in range(3) if ratios[i] > _TOLERANCE]
    if not coarse:
        return Verdict(f"Sampled well: this PSF needs {_by(nyquist)} µm or finer.", True)
    axes = " and ".join("zyx"[i] for i in coarse) if len(coarse) < 3 else "z, y and x"
    needed = _by([nyquist[i] for i in coarse])
    degree = "Undersampled" if max(ratios) > _MUCH else "Slightly undersampled"
    return Verdict(
        f"{degree} along {axes}: {_by([spacing[i] for i in coarse])} µm; Nyquist asks for "
        f"{needed} µm. Finer detail is lost or shows as false patterns.",
        False,
    )


def beads_report(found: BeadMeasurement, warnings: Sequence[str]) -> str:
    """Return what was measured from beads, a line each."""
    lines = [
        f"{len(found.beads)} bead{'s' * (len(found.beads) != 1)} used, {len(found.rejected)} "
        f"rejected. Signal to noise {found.snr:.3g}. FWHM {_by(found.fwhm)} µm (z, y, x)."
    ]
    reasons = Counter(spot.reason for spot in found.rejected)
    lines += [f"– {count} × {reason}" for reason, count in reasons.most_common()]
    return "\n".join([*lines, *warnings])


def match_report(match: Match) -> str:
    """Return what a model that was fitted to beads has come to."""
    values = "; ".join(
        _value(name, estimate.value, estimate.deviation, estimate.unit)
        for name, estimate in match.values.items()
    )
    lines = [
        f"The model leaves {100 * match.residual:.2g} % of the beads' light (root of the energies' "
        f"ratio). FWHM {_by(match.fwhm)} µm.",
        values,
    ]
    if match.at_bounds:
        names = ", ".join(map(_name, match.at_bounds))
        lines.append(f"At the end of what makes sense: {names}.")
    if not match.converged:
        lines.append("It has not settled yet; fit again from here.")
    return "\n".join(lines)


def learned_report(learned: Sequence[LearnedQuantity]) -> str:
    """Return what a fit has learned of the optics."""
    return "The last fit learned " + "; ".join(
        _value(one.name, one.value, one.standard_error, one.unit) for one in learned
    )


def _value(name: str, value: float, error: float, unit: str) -> str:
    if name.endswith("wavelength"):
        value, error, unit = 1000 * value, 1000 * error, "nm"
    unit = unit.replace("um", "µm")
    doubt = f" ± {error:.2g}" if error == error else ""
    return f"{_name(name)} {value:.4g}{doubt} {unit}".rstrip()


def _name(name: str) -> str:
    return _ARGUMENTS.get(name, name.replace("_", " "))


def _by(lengths: Sequence[float] | NDArray[np.float64]) -> str:
    return " × ".join(f"{length:.3g}" for length in lengths)
