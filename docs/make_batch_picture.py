"""Take the picture of *Batch* that docs/plugin.md shows; run as make_pictures.py."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from viewer_pictures import IMAGES, open_dock, picture_of, spin, spin_until, viewer_of

from napari_deltamic.imaging import render, write_stack
from napari_deltamic.mesh import seed_spheres
from napari_deltamic.optics import GaussianPSF
from napari_deltamic.plugin.live_view import live_view_of
from napari_deltamic.plugin.psf_choice import gaussian

SPACING, SIGMA, SHAPE = (0.6, 0.25, 0.25), (0.6, 0.3, 0.3), (14, 48, 48)
CELLS = ((4.0, 3.4, 3.6), (4.2, 7.8, 4.0), (3.8, 5.4, 8.4))


def write_stacks(folder: Path) -> None:
    """Write six stacks of three nuclei."""
    folder.mkdir()
    for number in range(6):
        random = np.random.default_rng(number)
        nuclei = seed_spheres(np.array(CELLS) + random.normal(0.0, 0.2, (3, 3)), 1.6 + 0.1 * number)
        image = render(nuclei, GaussianPSF(SIGMA), SHAPE, SPACING, membrane=0.0, interior=100.0)
        noisy = random.poisson(image + 10.0).astype(np.float32)
        write_stack(folder / f"embryo{number + 1}.tif", noisy, SPACING)


def main() -> None:
    theme = sys.argv[1] if len(sys.argv) > 1 else "dark"
    name = "" if theme == "dark" else f"-{theme}"
    with TemporaryDirectory() as temporary, viewer_of("generated_nuclei") as viewer:
        folder = Path(temporary) / "day 1"
        write_stacks(folder)
        viewer.theme = theme
        viewer.layers.clear()
        session = live_view_of(viewer).session
        session.choose_psf(gaussian(SIGMA))
        session.marks = "interior"
        session.settings = session.settings.model_copy(update={"label": "interior", "stages": 2})
        dock = open_dock(viewer, "Batch")
        dock.output.setText(str(folder / "fitted"))
        dock.stacks.list.add([folder])
        spin_until(dock.use_stacks.isEnabled)
        shots = Path(sys.argv[2]) if len(sys.argv) > 2 else None
        for title, button in (
            ("Stacks", dock.use_stacks),
            ("Settings", dock.use_settings),
            ("Run", dock.run_button),
        ):
            spin_until(button.isEnabled)
            spin(0.5)
            if shots is not None:
                picture_of(viewer).save(shots / f"batch-{title}{name}.png")
            button.click()
        spin_until(lambda: dock.watch.seen and dock.watch.seen.state.counts.get("done", 0) >= 3)
        dock.watch.table.selectRow(0)
        dock.watch.open.click()
        spin_until(lambda: "embryo1 mesh" in viewer.layers)
        spin(1.0)
        if shots is not None:
            dock.watch.show_log.setChecked(True)
            spin(1.5)
            picture_of(viewer).save(shots / f"batch-log{name}.png")
            dock.watch.show_log.setChecked(False)
        viewer.fit_to_view(margin=0.05)
        spin(1.0)
        picture_of(viewer).save((shots or IMAGES) / f"plugin-batch{name}.png", optimize=True)
        dock.watch.stop.click()
        spin_until(lambda: not dock.watch.seen.is_running)
        if shots is not None:
            spin(1.0)
            picture_of(viewer).save(shots / f"batch-ended{name}.png")


if __name__ == "__main__":
    main()
