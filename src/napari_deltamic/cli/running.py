"""A fit as the commands run it: with a progress bar, and stopped by Ctrl-C with its result kept."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from napari_deltamic.cli.errors import sentence
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


@contextmanager
def resumable(progress: Path, resumes: bool) -> Iterator[None]:
    """Say of a failure to write, by a full disk say, how to go on without fitting again.

    Parameters
    ----------
    progress
        File that the fit is kept in.
    resumes
        Whether that file is of this fit already.
    """
    before = None if resumes else _changed(progress)
    try:
        yield
    except OSError as error:
        if _changed(progress) in (None, before):
            raise
        raise OSError(
            f"{sentence(error)}. What was fitted so far is kept in {progress.parent}: put that "
            "right and run the same command with --resume"
        ) from error


def _changed(file: Path) -> int | None:
    """Return when a file was written, in ns; None if there is none."""
    return file.stat().st_mtime_ns if file.is_file() else None


def was_stopped(result: FitResult) -> bool:
    """Whether Ctrl-C ended the fit before its time."""
    return result.stop_reason.startswith("stopped")
