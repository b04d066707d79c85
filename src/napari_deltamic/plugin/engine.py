"""Getting the fit ready: imports and compilation, once per process and never on the GUI thread."""

from __future__ import annotations

import atexit
import logging
from collections.abc import Callable
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_deltamic.optics import PSF

_logger = logging.getLogger(__name__)
_lock = Lock()
_ready = Event()
_optics_are_loaded = Event()
_leaving = Event()
_import_lock = Lock()
_started = False

POLL_SECONDS = 0.05
EXIT_SECONDS = 5.0
MOMENT_SECONDS = 0.5


def prepare_in_background() -> None:
    """Start importing torch and compiling the kernels, unless that has been done or begun."""
    global _started
    with _lock:
        if _started:
            return
        _started = True
    thread = Thread(target=_prepare, name="napari-deltamic preparation", daemon=True)
    thread.start()
    atexit.register(_leave, thread)


def _leave(thread: Thread) -> None:
    # The interpreter may stumble over a thread that it leaves in the middle of an import.
    _leaving.set()
    thread.join(EXIT_SECONDS)


def load_optics() -> None:
    """Import the PSF classes, and torch with them.

    One thread at a time: two that import modules which import one another may meet half of one.
    """
    with _import_lock:
        from napari_deltamic.optics import sampling, width

        _logger.debug("loaded %s and %s", sampling.__name__, width.__name__)
    _optics_are_loaded.set()


def load_compressive() -> None:
    """Import what trains and uses compressive models, as :func:`load_optics` does."""
    load_optics()
    with _import_lock:
        from napari_deltamic.compressive import applying, model_files, scores, splitting, trainer

        for module in (applying, model_files, scores, splitting, trainer):
            _logger.debug("loaded %s", module.__name__)


def load_plots() -> None:
    """Import what draws curves, which would hold the GUI up for a moment."""
    import pyqtgraph

    _logger.debug("loaded %s", pyqtgraph.__name__)


def optics_are_loaded() -> bool:
    """Whether :func:`load_optics` has nothing left to do."""
    return _optics_are_loaded.is_set()


def is_ready() -> bool:
    """Whether a fit can start without compiling anything first."""
    return _ready.is_set()


def wait_until_ready(should_stop: Callable[[], bool]) -> bool:
    """Block until the preparation is over; return False if told to stop before that."""
    prepare_in_background()
    while not _ready.wait(POLL_SECONDS):
        if should_stop():
            return False
    return True


def _prepare() -> None:
    try:
        _smallest_fit()
    except Exception:
        # Who quits meanwhile takes the kernels' threads away, a moment before that is known here.
        # In any other trouble a real fit says so to the user, with its own data.
        if not _leaving.wait(MOMENT_SECONDS):
            _logger.exception("the fit's kernels could not be prepared")
    finally:
        _ready.set()


def _smallest_fit() -> None:
    load_optics()
    from napari_deltamic.fitting import FitSettings, fit
    from napari_deltamic.imaging import ImageStack, render
    from napari_deltamic.mesh import icosphere
    from napari_deltamic.optics import GaussianPSF

    shape, spacing = (12, 12, 12), (1.0, 1.0, 1.0)
    mesh, psf = icosphere((5.5, 5.5, 5.5), 3.0, subdivisions=1), GaussianPSF(sigma=1.0)
    image = render(mesh, psf, shape, spacing, membrane=1.0, interior=1.0)
    settings = FitSettings(label="both", stages=1, max_iterations=2)
    fit(ImageStack(image, spacing), mesh, psf, settings)


def automatic_edge_length(
    shape: tuple[int, int, int], spacing: NDArray[np.float64], make_psf: Callable[[], PSF]
) -> float | None:
    """Return the edge length in um that a fit takes by itself; None if there can be no fit.

    Imports torch.
    """
    load_optics()
    from napari_deltamic.fitting import stages

    try:
        return stages.automatic_edge_length(shape, spacing, make_psf())
    except ValueError:
        # Said when Fit is pressed, or in the PSF designer.
        return None


def device(backend: str) -> tuple[str, bool]:
    """Return which device a fit would use and why, and whether it can; imports torch."""
    from napari_deltamic.meshft.backends import choose_backend

    try:
        return choose_backend(backend, None)[1], True
    except (ValueError, RuntimeError) as error:
        return str(error), False
