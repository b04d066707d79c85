"""Re-seeding where a residual shows a new surface, kept only if it explains the image better."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.state import FitState
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh.seeds import seeding_from_labels
from napari_deltamic.optics import PSF
from napari_deltamic.timelapse.carrying import carried
from napari_deltamic.timelapse.frame_fit import Fitted, frame_fit
from napari_deltamic.timelapse.residuals import Look, ResidualWatch
from napari_deltamic.timelapse.splitting import Cut, cut_in_two

# What a new vertex must lower the squared residuals by, in units of the noise's variance: noise
# alone gives about 1.
_GAIN_A_VERTEX = 3.0
# Of the ratio that raised suspicion above 1, the part that may be left.
_LEFT = 0.5


class Refit(NamedTuple):
    """A frame fitted again with some regions cut in two."""

    fitted: Fitted
    ratios: dict[int, float]
    """Of the new residual; see :class:`Look`."""
    cuts: list[Cut]


def refit_divided(
    stack: ImageStack,
    fitted: Fitted,
    look: Look,
    suspects: Sequence[int],
    next_region: int,
    watch: ResidualWatch,
    psf: PSF,
    settings: FitSettings,
    checkpoint: Path | None,
    resume: bool,
) -> Generator[FitState | None, None, Refit | None]:
    """Cut suspect regions in two and fit the frame again; None if that explains it no better.

    Parameters
    ----------
    stack
        The frame.
    fitted
        Its fit with the regions whole.
    look
        What raised the suspicion: the cuts follow its residual.
    suspects
        Regions to cut.
    next_region
        The first number that is still free.
    watch
        What looks at residuals.
    psf, settings
        For the new fit.
    checkpoint, resume
        As for :func:`frame_fit`; each attempt has a file of its own beside this one.
    """
    wanted = list(suspects)
    while wanted:
        cuts: list[Cut] = []
        divided = look.labels
        for region in wanted:
            number = next_region + len(cuts)
            cut = cut_in_two(divided, region, number, look.ridges, stack.spacing, watch.widths)
            if cut is not None:
                cuts.append(cut)
                divided = cut.labels
            yield None
        if not cuts:
            return None
        start = yield from seeding_from_labels(divided, stack.spacing, stack.origin)
        yield None
        known = carried(fitted.result.intensities, fitted.result.mesh, start, fitted.noise)
        names = "-".join(str(cut.region) for cut in cuts)
        file = None if checkpoint is None else checkpoint.with_stem(f"{checkpoint.stem}_cut{names}")
        again = yield from frame_fit(stack, start, psf, settings, known, file, resume)
        yield None
        after = yield from watch.look(stack, again.result.mesh, again.result.image)
        yield None
        kept = [
            cut.region for cut in cuts if _is_better(cut, stack, fitted, again, look, after, watch)
        ]
        if len(kept) == len(cuts):
            return Refit(again, after.ratios, cuts)
        wanted = kept
    return None


def _is_better(
    cut: Cut,
    stack: ImageStack,
    before: Fitted,
    again: Fitted,
    look: Look,
    after: Look,
    watch: ResidualWatch,
) -> bool:
    """Return whether the frame is clearly better explained with a region cut in two."""
    mesh = again.result.mesh
    between = np.isin(mesh.labels, (cut.region, cut.new_region)).all(axis=1)
    vertices = len(np.unique(mesh.faces[between]))
    if vertices == 0:
        return False
    inside = look.labels == cut.region
    gain = watch.squares(stack, before.result.image, inside)
    gain -= watch.squares(stack, again.result.image, inside, before.result.image)
    left = max(after.ratios.get(number, 0.0) for number in (cut.region, cut.new_region)) - 1.0
    allowed = max(_LEFT * (look.ratios[cut.region] - 1.0), 0.0)
    return bool(gain > _GAIN_A_VERTEX * vertices and left < allowed)
