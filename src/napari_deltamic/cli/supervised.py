"""The command line as a batch runs it: stopped through its standard input, gone with its parent."""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading

from napari_deltamic.batch.child import STOP
from napari_deltamic.cli.app import main
from napari_deltamic.cli.errors import FAILURE, INTERRUPTED
from napari_deltamic.cli.terminal import say

_STDIN = 0


def _watch() -> None:
    # Past Python's own reader, whose lock would keep the interpreter from ending.
    while read := os.read(_STDIN, 64):
        if STOP in read:
            # As Ctrl-C does, on every system.
            _thread.interrupt_main()
    # Nobody is left who would collect the result, and another may begin anew at any moment.
    os._exit(FAILURE)


def supervised() -> None:
    """Run the command line of this process, and exit."""
    # A shell without job control has what it starts ignore Ctrl-C, and with it what stops this.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Thread(target=_watch, daemon=True).start()
        main()
    except KeyboardInterrupt:
        # Before the command line could see to it.
        say("Aborted.")
        sys.exit(INTERRUPTED)


if __name__ == "__main__":
    supervised()
