"""What a killed napari loses of a running fit, and what sessions cost in time and space.

Run it on a screen (Xvfb will do) with the folder of real stacks at hand:

    python benchmarks/bench_kill.py [--kills 3]

A process runs napari with a fit and is killed with SIGKILL at a moment that it does not choose; the
next one opens the dock and presses *Restore and go on*. The seconds lost lie between the kill and
the checkpoint that the fit goes on from; the iterations lost are those shown after it. Autosaves
go into a folder of their own for the time of the run.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from machine import describe

CASES = ("embryo", "nuclei")
NUCLEI_SPACING = (1.75, 0.8, 0.8)


def open_case(case: str):
    """Return a viewer with a case's image, its cells as labels and a seed, and the dock."""
    import napari
    import tifffile

    from napari_deltamic.imaging import fetch, make_embryo
    from napari_deltamic.plugin import engine
    from napari_deltamic.plugin.cell_finder import mesh_of_labels
    from napari_deltamic.plugin.live_view import live_view_of
    from napari_deltamic.plugin.mesh_layers import surface_data, surface_options
    from napari_deltamic.plugin.psf_choice import gaussian
    from napari_deltamic.plugin.spatial import placement_of

    viewer = napari.Viewer()
    if case == "embryo":
        embryo = make_embryo(cells=8)
        data, labels, spacing = embryo.stack.data, embryo.labels, embryo.stack.spacing
    else:
        data = tifffile.imread(fetch("mouse_embryo_nuclei_8cell.tif"))
        labels = tifffile.imread(fetch("mouse_embryo_nuclei_8cell_labels.tif"))
        spacing = np.array(NUCLEI_SPACING)
    place = {"scale": spacing, "units": ("um",) * 3}
    image = viewer.add_image(data, name=case, **place)
    viewer.add_labels(labels, name=f"{case} cells", **place)
    mesh = mesh_of_labels(labels, np.asarray(spacing, dtype=float), np.zeros(3))
    options = surface_options(mesh) | placement_of(image).layer_options()
    viewer.add_surface(surface_data(mesh), name="Seed", **options)
    _, dock = viewer.window.add_plugin_dock_widget("napari-deltamic", "Fit")
    dock.mesh.choose(viewer.layers["Seed"])
    session = live_view_of(viewer).session
    session.choose_image(case)
    if case == "embryo":
        session.choose_psf(gaussian((0.5, 0.3, 0.3)))
    dock.form.fields["label"].value = "membrane" if case == "embryo" else "interior"
    spin_until(engine.is_ready, 600)
    return viewer, dock


def spin_until(condition, seconds: float = 300.0) -> None:
    from qtpy.QtWidgets import QApplication

    end = time.perf_counter() + seconds
    while not condition():
        if time.perf_counter() > end:
            raise TimeoutError("it did not happen in time")
        QApplication.processEvents()
        time.sleep(0.005)


def tell(**facts: object) -> None:
    print(json.dumps(facts), flush=True)


def run_fit(case: str) -> None:
    """Fit for as long as nobody kills this process, telling of each iteration that is shown."""
    from napari_deltamic.fitting import loop
    from napari_deltamic.plugin.live_view import live_view_of

    seconds = [0.0]
    save = loop.try_checkpoint

    def timed(*arguments: object) -> None:
        began = time.perf_counter()
        save(*arguments)
        seconds[0] += time.perf_counter() - began

    loop.try_checkpoint = timed
    viewer, dock = open_case(case)
    # No plateau: it has to last.
    dock.form.fields["tolerance"].value = 1e-4
    dock.form.fields["max_iterations"].value = 5000
    dock.form.fields["stages"].value = 8
    session = live_view_of(viewer).session
    session.advanced.connect(
        lambda state: tell(
            at=time.time(),
            iteration=state.iteration,
            faces=len(state.mesh.faces),
            share=seconds[0] / max(time.time() - began, 1e-9),
        )
    )
    began = time.time()
    dock.fit_button.click()
    spin_until(lambda: not session.is_fitting, 3600)


def restore() -> None:
    """Open the dock, press its button and tell from where the fit goes on."""
    import napari

    from napari_deltamic.plugin import engine
    from napari_deltamic.plugin.live_view import live_view_of

    viewer = napari.Viewer()
    _, dock = viewer.window.add_plugin_dock_widget("napari-deltamic", "deltaMic")
    session, states = live_view_of(viewer).session, []
    session.advanced.connect(states.append)
    spin_until(engine.is_ready, 600)
    spin_until(lambda: dock.restore_bar.isVisible())
    pressed = time.perf_counter()
    dock.restore_bar.restore_button.click()
    spin_until(lambda: states)
    tell(
        iteration=session.worker.history.moments[0].iteration,
        seconds=time.perf_counter() - pressed,
        layers=[layer.name for layer in viewer.layers],
        losses=len(session.worker.losses),
    )
    viewer.close()


def kill_once(case: str, delay: float) -> dict[str, object]:
    """Return what one kill, some seconds after the first checkpoint, cost."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, "NAPARI_DELTAMIC_AUTOSAVE": folder}
        told = Path(folder) / "told.txt"
        with told.open("w") as output:
            child = subprocess.Popen(
                [sys.executable, __file__, "--run", case], stdout=output, env=environment
            )
            while not (found := list(Path(folder).glob("*/checkpoint.npz"))):
                if child.poll() is not None:
                    raise RuntimeError("the fit ended before its first checkpoint")
                time.sleep(0.1)
            time.sleep(delay)
            child.send_signal(signal.SIGKILL)
            killed = time.time()
            child.wait()
        lines = [json.loads(line) for line in told.read_text().splitlines()[:-1]]
        saved = found[0].stat().st_mtime
        done = subprocess.run(
            [sys.executable, __file__, "--restore"],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        back = json.loads(done.stdout.splitlines()[-1])
        return {
            "faces": lines[-1]["faces"],
            "share": lines[-1]["share"],
            "lost_s": killed - saved,
            "lost": lines[-1]["iteration"] - back["iteration"] + 1,
            "at": lines[-1]["iteration"],
            "megabytes": sum(f.stat().st_size for f in found[0].parent.rglob("*")) / 1e6,
            **back,
        }


def session_cost(case: str) -> None:
    """Fit for a short while and tell how long its session takes to save and to read."""
    from napari_deltamic.plugin.live_view import live_view_of
    from napari_deltamic.plugin.sessions.collect import snapshot
    from napari_deltamic.plugin.sessions.files import write_session
    from napari_deltamic.plugin.sessions.restore import opened

    viewer, dock = open_case(case)
    session = live_view_of(viewer).session
    dock.fit_button.click()
    spin_until(lambda: session.result is not None, 600)
    folder = Path(tempfile.mkdtemp()) / f"{case}.deltamic"
    began = time.perf_counter()
    saved = snapshot(viewer, live_view_of(viewer))
    gui = time.perf_counter()
    write_session(folder, saved())
    written = time.perf_counter()
    opened(folder)
    read = time.perf_counter()
    tell(
        gui_ms=1e3 * (gui - began),
        save_s=written - gui,
        read_s=read - written,
        megabytes=sum(file.stat().st_size for file in folder.rglob("*")) / 1e6,
        voxels=list(viewer.layers[case].data.shape),
        faces=len(session.result.mesh.faces),
        moments=len(session.moments),
    )
    viewer.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--run", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--cost", choices=CASES, help=argparse.SUPPRESS)
    parser.add_argument("--restore", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.run:
        run_fit(options.run)
    elif options.cost:
        session_cost(options.cost)
    elif options.restore:
        restore()
    else:
        report(options.kills)


def report(kills: int) -> None:
    print(describe("napari-deltamic", "napari", "numpy", "torch"))
    print("\nSession of a fit with its result")
    print("case      voxels             faces  moments  GUI ms  save s  read s      MB")
    for case in CASES:
        environment = {**os.environ, "NAPARI_DELTAMIC_AUTOSAVE": "off"}
        done = subprocess.run(
            [sys.executable, __file__, "--cost", case],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
            env=environment,
        )
        cost = json.loads(done.stdout.splitlines()[-1])
        size = " x ".join(map(str, cost["voxels"]))
        print(
            f"{case:8}  {size:16} {cost['faces']:7}  {cost['moments']:7}  {cost['gui_ms']:6.0f}  "
            f"{cost['save_s']:6.2f}  {cost['read_s']:6.2f}  {cost['megabytes']:6.1f}"
        )
    print("\nSIGKILL during a fit (goals: 10 s lost at most, checkpoints 5 % of the time at most)")
    print("case       faces  share %  killed at  goes on at  lost it.  lost s  back after s    MB")
    chance = random.Random(0)
    for case in CASES:
        for _ in range(kills):
            one = kill_once(case, chance.uniform(0.0, 16.0))
            print(
                f"{case:8} {one['faces']:7}  {100 * one['share']:7.1f}  {one['at']:9}  "
                f"{one['iteration']:10}  {one['lost']:8}  {one['lost_s']:6.1f}  "
                f"{one['seconds']:12.1f}  {one['megabytes']:4.0f}"
            )
            print(f"         came back: {', '.join(one['layers'])}; {one['losses']} losses")


if __name__ == "__main__":
    main()
