"""Take pictures of every dock, in both themes and two sizes of the window, to look at.

On a screen of 1920 x 1080 or more; Xvfb will do:

    xvfb-run -a -s "-screen 0 1920x1080x24" .venv/bin/python docs/make_dock_pictures.py FOLDER
"""

from __future__ import annotations

import argparse
from pathlib import Path

import napari
from superqt import QCollapsible
from viewer_pictures import open_dock, open_guide, picture_of, spin, spin_until, viewer_of

from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_choice import gaussian
from napari_deltamic.plugin.psf_numbers import MODALITIES

SIZES = (1280, 800), (1920, 1080)
THEMES = "dark", "light"
SAMPLE = "generated_cells"
COMPRESSIVE_EPOCHS = 8


class Album:
    """Pictures of one viewer."""

    def __init__(self, viewer: napari.Viewer, folder: Path) -> None:
        self._viewer, self._folder = viewer, folder
        folder.mkdir(parents=True, exist_ok=True)

    def take(self, name: str) -> None:
        """Save the window as it is, in all themes and sizes."""
        for theme in THEMES:
            self._viewer.theme = theme
            for width, height in SIZES:
                self._viewer.window.resize(width, height)
                spin(0.4)
                picture_of(self._viewer).save(self._folder / f"{name}-{theme}-{width}.png")


def unfold(widget: object) -> None:
    for fold in widget.findChildren(QCollapsible):
        fold.expand(animate=False)


def fold(widget: object) -> None:
    for one in widget.findChildren(QCollapsible):
        one.collapse(animate=False)


def seed_dock(viewer: napari.Viewer, album: Album) -> None:
    dock = open_dock(viewer, "Seed mesh")
    for index in range(dock.method.count()):
        dock.method.setCurrentIndex(index)
        album.take(f"seed-{index}")
    viewer.window.remove_dock_widget(dock)


def psf_designer(viewer: napari.Viewer, album: Album) -> None:
    dock = open_dock(viewer, "PSF designer")
    spin_until(dock.form.isEnabled)
    for kind in MODALITIES:
        dock.form.modality.setCurrentText(kind.title)
        spin(2.0)
        album.take(f"psf-{kind.title.lower().replace(' ', '-')}")
    viewer.window.remove_dock_widget(dock)
    live_view_of(viewer).session.choose_psf(gaussian((0.48, 0.24, 0.24)))


def guide(viewer: napari.Viewer, album: Album) -> None:
    dock = open_guide(viewer)
    for title, step in dock.steps.items():
        for other in dock.steps.values():
            other.set_open(other is step)
        album.take(f"guide-{title.lower()}")
    viewer.window.remove_dock_widget(dock)


def fit(viewer: napari.Viewer, album: Album) -> None:
    session = live_view_of(viewer).session
    dock = open_dock(viewer, "Fit")
    session.choose_mesh("Seed spheres")
    album.take("fit-before")
    unfold(dock)
    album.take("fit-before-unfolded")
    fold(dock)
    dock.fit_button.click()
    spin_until(lambda: len(session.worker.stage_starts) > 1)
    session.pause()
    spin_until(lambda: session.worker.phase is Phase.PAUSED)
    album.take("fit-paused")
    unfold(dock)
    album.take("fit-paused-unfolded")
    fold(dock)
    session.resume()
    album.take("fit-running")
    spin_until(lambda: not session.is_fitting)
    album.take("fit-after")
    dock.status.say("An example of a warning: the mesh lies outside the image.", warning=True)
    album.take("fit-warning")
    viewer.window.remove_dock_widget(dock)


def measures(viewer: napari.Viewer, album: Album) -> None:
    dock = open_dock(viewer, "Measures")
    spin_until(lambda: not dock.is_busy)
    viewer.dims.ndisplay = 3
    album.take("measures")
    viewer.dims.ndisplay = 2


def compressive(folder: Path) -> None:
    with viewer_of("embryo_nuclei") as viewer:
        album = Album(viewer, folder)
        dock = open_dock(viewer, "Compressive imaging")
        spin_until(dock.train_button.isEnabled)
        album.take("compressive-before")
        unfold(dock)
        album.take("compressive-before-unfolded")
        fold(dock)
        dock.form.fields["epochs"].value = COMPRESSIVE_EPOCHS
        dock.images.rows[0].labels.setCurrentIndex(1)
        dock.train_button.click()
        models = live_view_of(viewer).compressive
        spin_until(lambda: models.worker.task == "reconstruct" and len(models.worker.epochs) > 3)
        album.take("compressive-running")
        spin_until(lambda: models.worker is None)
        album.take("compressive-after")
        dock.panel.compare.click()
        spin_until(lambda: not dock.panel.is_busy)
        unfold(dock.panel)
        album.take("compressive-compared")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--only", choices=["seed", "psf", "guide", "fit", "compressive"], action="append"
    )
    arguments = parser.parse_args()
    parts = {
        "seed": [seed_dock],
        "psf": [psf_designer],
        "guide": [guide],
        "fit": [fit, measures],
    }
    wanted = arguments.only or [*parts, "compressive"]
    if set(wanted) & set(parts):
        with viewer_of(SAMPLE) as viewer:
            album = Album(viewer, arguments.folder)
            for name in parts:
                for part in parts[name] if name in wanted else ():
                    part(viewer, album)
    if "compressive" in wanted:
        compressive(arguments.folder)


if __name__ == "__main__":
    main()
