"""Take the picture of *Compressive imaging* that docs/plugin.md shows; run as make_pictures.py."""

from __future__ import annotations

from viewer_pictures import open_dock, spin_until, take, viewer_of

from napari_deltamic.plugin.live_view import live_view_of

EPOCHS = 24


def main() -> None:
    with viewer_of("embryo_nuclei") as viewer:
        dock = open_dock(viewer, "Compressive imaging")
        spin_until(dock.train_button.isEnabled)
        dock.train_button.click()
        worker = live_view_of(viewer).compressive.worker
        spin_until(lambda: len(worker.epochs) >= EPOCHS)
        take(viewer, "plugin-compressive.png", "Embryo nuclei")


if __name__ == "__main__":
    main()
