"""Make the animation of a fit that the README shows: a plane with the outline, and the surface.

On a screen of 1280 x 800 or more; Xvfb will do:

    xvfb-run -a -s "-screen 0 1280x800x24" .venv/bin/python docs/make_animation.py

It is made from the running plugin: the fit's moments are gone through with the slider of Inspect.
"""

from __future__ import annotations

import napari
import numpy as np
from PIL import Image
from viewer_pictures import (
    IMAGES,
    fill_canvas,
    open_guide,
    picture_of,
    seed_with,
    spin,
    spin_until,
    viewer_of,
)

from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import mesh_from_layer, surface_data

SAMPLE, IMAGE = "generated_embryo", "Generated embryo"
FRAMES, SIDE = 36, 320
# A first and a last picture are looked at for longer, in ms.
FIRST, STEP, LAST = 700, 110, 1800
COLOURS = 160


def start_from_a_smaller_seed(viewer: napari.Viewer, guide: object) -> None:
    """Shrink the seed about its middle, so that it visibly has a way to go."""
    seed = viewer.layers["Seed mesh"]
    mesh = mesh_from_layer(seed)
    vertices = mesh.vertices.copy()
    middle = (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    smaller = mesh.with_vertices(middle + 0.85 * (vertices - middle))
    seed.data = surface_data(smaller)
    guide.fit.mesh.choose(seed)


def pictures(viewer: napari.Viewer, guide: object, places: np.ndarray) -> list[Image.Image]:
    """Return the canvas at each of these places of the slider."""
    found = []
    for place in places:
        guide.fit.inspect.slider.setValue(int(place))
        spin(0.25)
        picture = picture_of(viewer, canvas_only=True)
        side = min(picture.size)
        left, top = ((length - side) // 2 for length in picture.size)
        square = picture.crop((left, top, left + side, top + side))
        found.append(square.resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    return found


def main() -> None:
    with viewer_of(SAMPLE) as viewer:
        guide = open_guide(viewer)
        seed_with(guide)
        start_from_a_smaller_seed(viewer, guide)
        guide.optics.button.click()
        session = live_view_of(viewer).session
        guide.fit.fit_button.click()
        spin_until(lambda: session.is_fitting)
        spin_until(lambda: not session.is_fitting)
        spin_until(lambda: guide.measures is not None and not guide.measures.is_busy)
        last = guide.fit.inspect.slider.maximum()
        places = np.unique(np.linspace(0.0, last, FRAMES).round())
        viewer.layers["Rendering"].visible = False
        fill_canvas(viewer, IMAGE)
        planes = pictures(viewer, guide, places)
        viewer.dims.ndisplay = 3
        viewer.layers[IMAGE].visible = False
        viewer.scene.camera.angles = (0.0, 20.0, 30.0)
        fill_canvas(viewer, "Fitted mesh")
        solids = pictures(viewer, guide, places)
        frames = []
        for plane, solid in zip(planes, solids, strict=True):
            frame = Image.new("RGB", (2 * SIDE, SIDE))
            frame.paste(plane, (0, 0))
            frame.paste(solid, (SIDE, 0))
            frames.append(frame.quantize(COLOURS, dither=Image.Dither.NONE))
        times = [FIRST, *[STEP] * (len(frames) - 2), LAST]
        path = IMAGES / "fit.gif"
        frames[0].save(path, save_all=True, append_images=frames[1:], duration=times, loop=0)
        print(f"{path.name}: {path.stat().st_size / 1000:.0f} kB, {len(frames)} frames")


if __name__ == "__main__":
    main()
