"""Take the pictures of touching cells that docs/plugin.md shows; run it as make_pictures.py."""

from __future__ import annotations

from qtpy.QtCore import Qt
from viewer_pictures import open_dock, spin_until, take, viewer_of

IMAGE = "Generated embryo"


def main() -> None:
    with viewer_of("generated_embryo") as viewer:
        seed = open_dock(viewer, "Seed mesh")
        seed.method.setCurrentText("Membranes (watershed)")
        for button in (seed.markers.find, seed.markers.preview):
            button.click()
            spin_until(seed.button.isEnabled)
        viewer.dims.set_point(0, float(viewer.layers["Cell markers"].data[2, 0]))
        take(viewer, "plugin-cells.png", IMAGE)

        for layer in viewer.layers:
            layer.visible = False
        viewer.dims.ndisplay = 3
        viewer.scene.camera.angles = (0.0, 20.0, 40.0)
        measures = open_dock(viewer, "Measures")
        spin_until(lambda: measures.colour_by.count() > 1)
        measures.colour_by.setCurrentText("Contact: area")
        measures.separation.setValue(30)
        table = measures.tables["Contacts"]
        measures.tabs.setCurrentWidget(table)
        table.sortByColumn(table.measures.columns.index("area"), Qt.SortOrder.DescendingOrder)
        take(viewer, "plugin-measures.png", "Measured cells")


if __name__ == "__main__":
    main()
