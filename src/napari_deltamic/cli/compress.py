"""The command ``compress``: its five commands."""

from __future__ import annotations

from cyclopts import App

COMPRESS_COMMANDS = {
    "train": "Learn patterns of light, and a decoder of their frames, from stacks.",
    "patterns": "Write a model's patterns as a TIFF for a micromirror device.",
    "simulate": "Acquire a stack with a model's patterns and reconstruct it.",
    "reconstruct": "Make an image of measured frames.",
    "fit": "Fit meshes to measured frames, without an image in between.",
}

compress = App(
    name="compress",
    help="Learn patterns of light, and make images or meshes from few large pixels.",
)
for _name, _help in COMPRESS_COMMANDS.items():
    compress.command(f"napari_deltamic.cli.compress_{_name}:{_name}", name=_name, help=_help)
