"""The command line, ``napari-deltamic``."""

from napari_deltamic.cli.app import main

__all__ = ["main"]
