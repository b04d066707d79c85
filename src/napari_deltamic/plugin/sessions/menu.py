"""Sessions in napari's File menu, and dropped onto its window."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import napari
from napari.utils.notifications import show_error
from qtpy.QtCore import QTimer

from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.sessions.files import SUFFIX, read_main_file

_PLUGIN, _DOCK = "napari-deltamic", "deltaMic"
# What a reader returns that has opened something else than layers, or has added them itself.
_NO_LAYERS: list[tuple[None]] = [(None,)]


def save_session() -> None:
    """Ask for a folder and save the session of the current viewer there."""
    viewer = napari.current_viewer()
    if viewer is not None:
        live_view_of(viewer).actions.ask_and_save()


def open_session() -> None:
    """Ask for a session folder and open it in the current viewer."""
    viewer = napari.current_viewer()
    if viewer is not None:
        _show_dock(viewer)
        live_view_of(viewer).actions.ask_and_open()


def get_session_reader(path: str | list[str]) -> Callable[[Any], list[tuple[None]]] | None:
    """Return what opens a session folder, if the path is one."""
    paths = [path] if isinstance(path, str) else path
    if len(paths) != 1 or not str(paths[0]).rstrip("/\\").endswith(SUFFIX):
        return None
    return _open


def _open(path: str | list[str]) -> list[tuple[None]]:
    """Open a session in the current viewer, with its choices, once napari is done with reading."""
    folder = Path(path if isinstance(path, str) else path[0])
    # Says at once what is wrong with a folder that is none.
    read_main_file(folder)
    viewer = napari.current_viewer()
    if viewer is None:
        raise ValueError(f"{folder}: a session is opened in a viewer, and there is none")

    def open_it() -> None:
        _show_dock(viewer)
        live_view_of(viewer).actions.open(folder)

    QTimer.singleShot(0, open_it)
    return _NO_LAYERS


def _show_dock(viewer: Any) -> None:
    try:
        viewer.window.add_plugin_dock_widget(_PLUGIN, _DOCK, tabify=True)
    except (ValueError, RuntimeError) as error:
        show_error(str(error))
