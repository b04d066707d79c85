"""The command line's front door: its commands, its global options and its exit codes."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Annotated

from cyclopts import App, Parameter
from rich.console import Console

from napari_deltamic.cli.errors import (
    FAILURE,
    INTERRUPTED,
    SUCCESS,
    USAGE,
    as_typed,
    command_line_error,
    sentence,
    typed_names,
)
from napari_deltamic.cli.terminal import errors_console, say, start_logging
from napari_deltamic.cli.values import Flag, finite

COMMANDS = {
    "fit": "Fit meshes to an image stack.",
    "timelapse": "Fit every frame of a movie and follow its regions.",
    "tissue": "Fit the cells of a stack larger than memory, block by block.",
    "batch": "Fit many stacks or movies, here or on a Dask cluster.",
    "render": "Render a mesh through a microscope into an OME-TIFF.",
    "psf": "Compute, measure and compare PSFs.",
    "compress": "Learn patterns of light, and make images or meshes from few large pixels.",
    "measure": "Print volumes, areas, shapes and positions of the regions of a mesh.",
    "info": "Print what is installed and used, or what a stack or a mesh file holds.",
    "benchmark": "Time the mesh Fourier transform and a fit on this machine.",
    "demo": "Fit a generated sample, or a real one, and compare with the truth.",
}


def _version() -> str:
    from napari_deltamic import __version__

    return __version__


app = App(
    name="napari-deltamic",
    help="Physically grounded segmentation of 3D fluorescence microscopy.",
    help_epilogue="Lengths are in um and axes in (z, y, x) order. "
    "Ctrl-C ends a fit early and keeps its best mesh; pressed twice it aborts.",
    version=_version,
    default_parameter=Parameter(negative_iterable=(), validator=finite),
    error_formatter=command_line_error,
    # The terminal folds the lines, so that paths stay whole.
    error_console=Console(stderr=True, highlight=False, soft_wrap=True),
)
# By name, so that one command does not pay for the imports of the others.
for _name, _help in COMMANDS.items():
    app.command(f"napari_deltamic.cli.{_name}:{_name}", name=_name, help=_help)


@app.meta.default
def _launch(
    *tokens: Annotated[str, Parameter(show=False, allow_leading_hyphen=True)],
    verbose: Flag = False,
    debug: Flag = False,
) -> int:
    """Run a command.

    Parameters
    ----------
    verbose
        Show what the program does, as well as warnings.
    debug
        Show everything, with the traceback of an error.
    """

    def typed(message: str) -> str:
        _, apps, _ = app.parse_commands(tokens)
        return as_typed(message, typed_names(apps[-1], tokens))

    start_logging(logging.DEBUG if debug else logging.INFO if verbose else logging.WARNING, typed)
    try:
        # Help and version return nothing, and so do commands that can only succeed or fail.
        return app(tokens, result_action="return_value") or SUCCESS
    except Exception as error:
        if debug:
            errors_console().print_exception()
        say(f"Error: {typed(sentence(error))}", style="red")
        # By the package's convention a ValueError is about an argument, and names it.
        return USAGE if isinstance(error, ValueError) else FAILURE


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit.

    The exit code is 0 for success, 2 for wrong arguments or input, 130 for work that Ctrl-C ended,
    1 for any other failure.

    Parameters
    ----------
    arguments
        The words after the program's name; by default the process's own.
    """
    app.meta.suppress_keyboard_interrupt = app.suppress_keyboard_interrupt = False
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        # Help and version return nothing.
        code = app.meta(given, result_action="return_value") or SUCCESS
    except KeyboardInterrupt:
        say("Aborted.")
        code = INTERRUPTED
    sys.exit(code)
