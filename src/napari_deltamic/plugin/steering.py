"""What a held fit goes on with, if the user has changed something; without Qt."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitSettings, FitState
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.fit_input import FitInput
    from napari_deltamic.plugin.psf_choice import PsfChoice

FINE_STAGES = 2
"""How many stages a mesh needs that is nearly right."""


class GoingOn(NamedTuple):
    """What a fit goes on with, and a sentence that says so."""

    given: FitInput
    sentence: str


def going_on(
    given: FitInput,
    latest: FitState | None,
    settings: FitSettings,
    psf: PsfChoice,
    corrected: TriangleMesh | None = None,
    other: TriangleMesh | None = None,
) -> GoingOn | None:
    """Return what a held fit goes on with; None if it can just go on.

    It goes on from its mesh, or what the user made of it, at the stage that it has come to. With a
    mesh from elsewhere it begins at the first stage.

    Parameters
    ----------
    given
        What the fit was given.
    latest
        Its last state; None before the first.
    settings, psf
        As they are chosen now.
    corrected
        What the user has made of its mesh, if anything.
    other
        A mesh from elsewhere that the user has chosen since, if any.
    """
    mesh = given.mesh if latest is None else latest.mesh
    stage = given.first_stage if latest is None else _stage_like(latest, settings.stages)
    changes = []
    if other is not None:
        mesh, stage = other, 0
        changes.append("the chosen mesh")
    elif corrected is not None:
        mesh = corrected
        changes.append("the corrected mesh")
    if settings != given.settings:
        changes.append("the new settings")
    if not same_psf(psf, given.psf):
        changes.append("the new optics")
    if not changes:
        return None
    first, last = ", ".join(changes[:-1]), changes[-1]
    words = f"{first} and {last}" if first else last
    changed = replace(given, mesh=mesh, settings=settings, psf=psf, first_stage=stage)
    return GoingOn(changed, f"Going on from stage {stage + 1} with {words}")


def same_psf(one: PsfChoice, other: PsfChoice) -> bool:
    """Return whether two choices make the same PSF."""
    if one is other:
        return True
    if one.class_name != other.class_name or one.arguments.keys() != other.arguments.keys():
        return False
    return all(
        np.array_equal(np.asarray(value), np.asarray(other.arguments[name]))
        for name, value in one.arguments.items()
    )


def _stage_like(latest: FitState, stages: int) -> int:
    """Return the stage of as fine a detail as a state's where there are so many stages."""
    place = latest.stage / (latest.stages - 1) if latest.stages > 1 else 1.0
    return round(place * (stages - 1))
