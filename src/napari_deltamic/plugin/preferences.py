"""What users set under File > Preferences > deltaMic; napari keeps it in a file of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, cast

if TYPE_CHECKING:
    from qtpy.QtWidgets import QWidget

PLUGIN = "napari-deltamic"


class Preferences(NamedTuple):
    """The page's values; the manifest has their texts, limits and the same defaults."""

    backend: Literal["auto", "cpu", "cuda"] = "auto"
    """What computes a fit unless its dock says otherwise."""
    updates_per_second: int = 15
    """How often a running fit is drawn."""
    whole_up_to: int = 32
    """Million voxels; of larger stacks only what lies around the mesh is fitted."""
    keep_fits: bool = True
    """Whether fits are kept while they run, to go on after a crash."""


def preferences() -> Preferences:
    """Return what is set now."""
    page = _page()
    if page is None:
        return Preferences()
    return Preferences(*(getattr(page, name) for name in Preferences._fields))


def follow(name: str, show: Callable[[Any], None], widget: QWidget) -> None:
    """Call a function with each new value of a preference, for as long as a widget is there."""
    page = _page()
    if page is None:
        return
    emitter = getattr(page.events, name)

    def on_changed() -> None:
        show(getattr(page, name))

    emitter.connect(on_changed)
    widget.destroyed.connect(lambda: emitter.disconnect(on_changed))


def last_batch_folder() -> str:
    """Return the folder that a batch was written into last, or ""."""
    page = _page("batch")
    return "" if page is None else str(page.folder)


def keep_batch_folder(folder: Path) -> None:
    """Have a folder proposed for the next batch."""
    page = _page("batch")
    if page is not None:
        page.folder = str(folder)


def _page(name: str = "fit") -> Any:
    try:
        from napari.settings import get_plugin_settings

        return getattr(cast(Any, get_plugin_settings(PLUGIN)), name)
    except (ImportError, KeyError):
        # Of a plugin that is switched off napari knows no settings; scripts may use it still.
        return None
