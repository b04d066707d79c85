"""A model's acquisition for specimens of any depth, to fit a mesh to its frames."""

from __future__ import annotations

from napari_deltamic.compressive.model import CompressiveModel
from napari_deltamic.imaging import PatternedIllumination
from napari_deltamic.optics import PSF


def acquisition_of(
    model: CompressiveModel, depth: int, emission: PSF | None = None
) -> PatternedIllumination:
    """Return how a model's binary patterns record a stack of planes.

    Parameters
    ----------
    model
        A trained one knows planes one by one, so the blur along z is not part of what it does; here
        it is.
    depth
        Number of planes, each recorded with all patterns.
    emission
        The blur of the emitted light; by default the model's.
    """
    return PatternedIllumination(
        model.patterns().detach(),
        model.spacing,
        depth=depth,
        binning=model.settings.binning,
        excitation=model.excitation,
        emission=model.emission if emission is None else emission,
    )
