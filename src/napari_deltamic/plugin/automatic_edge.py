"""What *automatic* comes to in the field of the edge length."""

from __future__ import annotations

from qtpy.QtCore import QObject

from napari_deltamic.plugin import engine
from napari_deltamic.plugin.background import BackgroundTask
from napari_deltamic.plugin.image_chooser import ImageChooser
from napari_deltamic.plugin.session import Session
from napari_deltamic.plugin.settings_form import SettingsForm


class AutomaticEdge(QObject):
    """Keeps the field up to date with the image and the PSF; works in the background.

    Parameters
    ----------
    form
        Whose field to mark; owns this object.
    image
        The chosen image.
    session
        Whose PSF counts.
    """

    def __init__(self, form: SettingsForm, image: ImageChooser, session: Session) -> None:
        super().__init__(form)
        self._form, self._image, self._session = form, image, session
        self._task = BackgroundTask(self)
        self._is_stale = False
        image.changed.connect(self._ask)
        session.psf_changed.connect(self._ask)
        self._ask()

    def _ask(self) -> None:
        self._is_stale = self._task.is_busy
        if self._is_stale:
            return
        try:
            source = self._image.source()
        except ValueError:
            self._form.show_automatic("edge_length", "")
            return
        shape, spacing = source.shape, source.placement.spacing
        make = self._session.psf_for(source.placement).make
        self._task.run(lambda: engine.automatic_edge_length(shape, spacing, make), self._show)

    def _show(self, length: float | None) -> None:
        self._form.show_automatic("edge_length", "" if length is None else f"{length:.2g} µm")
        if self._is_stale:
            self._ask()
