"""Run napari with a fit that goes on for long, printing when it does which iteration; to be killed.

Run with a folder for what it prints; napari's autosaves go where the environment says.
"""

import sys
import time

import napari
from plugin_cases import CENTER, ORIGIN, RADIUS, SHAPE, SIGMA, SPACING, add_ball, long_fit

from napari_deltamic.fitting import leg
from napari_deltamic.imaging import ImageStack, render
from napari_deltamic.mesh import icosphere
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.live_view import live_view_of


def main() -> None:
    image = render(
        icosphere(CENTER, RADIUS, subdivisions=3),
        GaussianPSF(sigma=SIGMA),
        SHAPE,
        SPACING,
        ORIGIN,
        membrane=0.0,
        interior=100.0,
    )
    sys.stdout.reconfigure(line_buffering=True)
    viewer = napari.Viewer()
    stack = ImageStack(image + 10.0, SPACING, ORIGIN)
    add_ball(viewer, stack, icosphere(CENTER + 0.3, 2.2, subdivisions=2))
    dock = long_fit(viewer)
    # So that it lasts until the kill: thousands of vertices, and no plateau that would end it.
    leg._WINDOW = 10**6
    dock.form.fields["edge_length"].value = 0.12
    dock.form.fields["tolerance"].value = 0.0001
    dock.mesh.choose(viewer.layers["mesh"])
    live_view_of(viewer).session.advanced.connect(
        lambda state: sys.stdout.write(f"{time.time()} {state.iteration}\n")
    )
    dock.fit_button.click()
    napari.run()
    sys.exit("the fit ended before it was killed")


if __name__ == "__main__":
    main()
