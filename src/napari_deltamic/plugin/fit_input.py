"""What a fit was given."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.psf_choice import PsfChoice
    from napari_deltamic.plugin.spatial import StackSource


@dataclass(frozen=True, eq=False)
class FitInput:
    """All that a fit depends on, so that it can be repeated or gone on with.

    Attributes
    ----------
    source
        The stack, as it was chosen.
    mesh, psf, settings
        Where it started, the blur and the choices.
    whole_up_to
        Voxels; of a larger stack only what lies around the mesh is fitted.
    first_stage
        Counted from 0; later than that for a mesh that is nearly right.
    """

    source: StackSource
    mesh: TriangleMesh
    psf: PsfChoice
    settings: FitSettings
    whole_up_to: int
    first_stage: int = 0
