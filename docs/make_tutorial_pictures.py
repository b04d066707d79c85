"""Take the pictures of docs/tutorial.md: the guided dock on the nuclei of a mouse embryo.

On a screen of 1280 x 800 or more; Xvfb will do:

    xvfb-run -a -s "-screen 0 1280x800x24" .venv/bin/python docs/make_tutorial_pictures.py

The stack is downloaded once, unless NAPARI_DELTAMIC_DATA names a folder that has it. Set
NAPARI_DELTAMIC_AUTOSAVE=off to leave the user's own sessions alone.
"""

from __future__ import annotations

import napari
from PIL import Image
from viewer_pictures import (
    IMAGES,
    fill_canvas,
    open_guide,
    picture_of,
    spin,
    spin_until,
    viewer_of,
)

from napari_deltamic.plugin.live_view import live_view_of

IMAGE = "Embryo nuclei"
# Planes in um: one that cuts four nuclei, and one between several.
PLANE, PLANE_BETWEEN = 24.5, 43.75
COLOURS = 128


def take(viewer: napari.Viewer, name: str) -> None:
    """Save the window with a palette; the button with a house has been pressed before."""
    fill_canvas(viewer, IMAGE)
    picture = picture_of(viewer)
    path = IMAGES / f"tutorial-{name}.png"
    # Half of the colours for large areas, which stay flat without dithering, half for small marks.
    palette = Image.new("P", (1, 1))
    halves = [
        picture.quantize(COLOURS, method, kmeans=3).getpalette()[: 3 * COLOURS]
        for method in (Image.Quantize.MEDIANCUT, Image.Quantize.MAXCOVERAGE)
    ]
    palette.putpalette([value for half in halves for value in half])
    picture.quantize(palette=palette, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB")


def main() -> None:
    with viewer_of("embryo_nuclei") as viewer:
        viewer.layers.selection = {viewer.layers[IMAGE]}
        guide = open_guide(viewer)
        viewer.dims.set_point(0, PLANE)
        take(viewer, "image")

        guide.image.button.click()
        take(viewer, "seed")

        guide.seed.button.click()
        spin_until(lambda: guide.steps["Optics"].is_open)
        take(viewer, "optics")

        guide.optics.button.click()
        session = live_view_of(viewer).session
        guide.fit.fit_button.click()
        spin_until(lambda: len(session.worker.stage_starts) > 2)
        take(viewer, "fit")

        spin_until(lambda: not session.is_fitting)
        spin_until(lambda: guide.measures is not None and not guide.measures.is_busy)
        viewer.dims.ndisplay = 3
        viewer.scene.camera.angles = (0.0, 20.0, 30.0)
        spin(1.0)
        take(viewer, "results")

        viewer.dims.ndisplay = 2
        viewer.dims.set_point(0, PLANE_BETWEEN)
        viewer.layers["Rendering"].visible = False
        guide.steps["Results"].set_open(False)
        guide.steps["Fit"].set_open(True)
        guide.fit.inspect.expand(animate=False)
        guide.fit.inspect.residual.setChecked(True)
        spin(2.0)
        take(viewer, "residual")


if __name__ == "__main__":
    main()
