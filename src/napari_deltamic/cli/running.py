"""A fit as the commands run it: with a progress bar, and stopped by Ctrl-C with its result kept."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deltamic.cli.interrupt import stop_on_interrupt
from napari_deltamic.cli.progress import fit_progress
from napari_deltamic.cli.terminal import say
from napari_deltamic.cli.words import counted

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult, FitSettings
    from napari_deltamic.imaging.frame_stack import Recording
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.optics import PSF

_log = logging.getLogger(__name__)


def run_fit(
    stack: Recording,
    mesh: TriangleMesh,
    psf: PSF | None,
    settings: FitSettings,
    checkpoint: Path | None = None,
    resume: bool = False,
) -> FitResult:
    """Fit with a progress bar; the first Ctrl-C ends the fit with the best mesh so far."""
    from napari_deltamic.fitting import fit

    with fit_progress() as on_state, stop_on_interrupt() as pressed:
        result = fit(
            stack,
            mesh,
            psf,
            settings,
            on_state,
            should_stop=pressed,
            checkpoint=checkpoint,
            resume=resume,
        )
    say(f"{counted(len(result.loss_history), 'iteration')}; {result.stop_reason}.")
    for warning in result.warnings:
        _log.warning(warning)
    return result


def was_stopped(result: FitResult) -> bool:
    """Whether Ctrl-C ended the fit before its time."""
    return result.stop_reason.startswith("stopped")
