"""Take the picture of the guide that docs/plugin.md shows; run it as make_pictures.py."""

from __future__ import annotations

import napari
from make_pictures import SIZE, open_dock, spin_until, take
from napari.qt import get_qapp

from napari_deltamic.plugin import engine


def main() -> None:
    get_qapp()
    engine.prepare_in_background()
    spin_until(engine.is_ready)
    viewer = napari.Viewer()
    viewer.window.resize(*SIZE)
    viewer.open_sample("napari-deltamic", "generated_embryo")
    guide = open_dock(viewer, "deltaMic")
    spin_until(lambda: guide.image.noise is not None)
    guide.image.button.click()
    guide.seed.button.click()
    spin_until(lambda: guide.steps["Optics"].is_open)
    take(viewer, "plugin-guide.png", "Generated embryo")
    viewer.close()


if __name__ == "__main__":
    main()
