"""The command ``psf``: its three commands."""

from __future__ import annotations

from cyclopts import App

PSF_COMMANDS = {
    "make": "Compute the PSF of a microscope from the numbers of its objective.",
    "measure": "Measure the PSF from a stack of beads.",
    "compare": "Compare two PSFs: widths, difference, transfer functions.",
}

psf = App(name="psf", help="Compute, measure and compare PSFs.")
for _name, _help in PSF_COMMANDS.items():
    psf.command(f"napari_deltamic.cli.psf_{_name}:{_name}", name=_name, help=_help)
