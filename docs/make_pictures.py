"""Take the pictures of the plugin that docs/plugin.md shows.

On a screen of 1280 x 800 or more; Xvfb will do:

    xvfb-run -a -s "-screen 0 1280x800x24" .venv/bin/python docs/make_pictures.py
"""

from __future__ import annotations

from viewer_pictures import open_dock, spin_until, take, viewer_of

from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.mesh_layers import mesh_from_layer
from napari_deltamic.plugin.psf_choice import gaussian

IMAGE = "Generated cells (membrane)"


def main() -> None:
    with viewer_of("generated_cells") as viewer:
        truth = mesh_from_layer(viewer.layers["Truth"])

        psf = open_dock(viewer, "PSF designer")
        spin_until(lambda: psf.form.isEnabled())
        psf.form.modality.setCurrentText("Confocal")
        psf.form.objective.setCurrentText("40x/1.20 water, Zeiss C-Apochromat")
        psf.form.dye.setCurrentText("GFP")
        psf.views.logarithmic.setChecked(True)
        spin_until(lambda: psf.views.views["otf"].picture is not None)
        take(viewer, "plugin-psf.png", IMAGE)
        # What the sample was made with.
        session = live_view_of(viewer).session
        session.choose_psf(gaussian((0.48, 0.24, 0.24)))
        seed = open_dock(viewer, "Seed mesh")
        seed.add_points.click()
        cells = [truth.region_mesh(region).vertices for region in truth.regions]
        centers = [(cell.min(axis=0) + cell.max(axis=0)) / 2 for cell in cells]
        viewer.layers["Seed points"].add(centers)
        seed.radius.setValue(1.0)
        seed.button.click()
        spin_until(seed.button.isEnabled)
        take(viewer, "plugin-seed.png", IMAGE)

        fit = open_dock(viewer, "Fit")
        viewer.layers["Seed points"].visible = False
        fit.fit_button.click()
        spin_until(lambda: len(session.worker.stage_starts) > 1)
        take(viewer, "plugin-fit.png", IMAGE)
        spin_until(lambda: not session.is_fitting)
        viewer.dims.ndisplay = 3
        viewer.scene.camera.angles = (0.0, 20.0, 0.0)
        take(viewer, "plugin-result.png", "Fitted mesh")


if __name__ == "__main__":
    main()
