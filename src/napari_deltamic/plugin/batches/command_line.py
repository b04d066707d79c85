"""A command line to read and to copy."""

from __future__ import annotations

from collections.abc import Sequence

from qtpy.QtGui import QGuiApplication
from qtpy.QtWidgets import QPlainTextEdit, QPushButton

from napari_deltamic.plugin.fold import Fold
from napari_deltamic.plugin.repeat import typed

_HEIGHT = 96


class CommandLine(Fold):
    """A fold with the line that does the same in a terminal.

    Attributes
    ----------
    line, copy
        The line, and the button that copies it.
    """

    def __init__(self) -> None:
        super().__init__("The same as a command line")
        self.line, self.copy = QPlainTextEdit(), QPushButton("Copy")
        self.line.setReadOnly(True)
        self.line.setTabChangesFocus(True)
        self.line.setFixedHeight(_HEIGHT)
        self.line.setAccessibleName("Command line")
        self.line.setToolTip("What is run; it does the same in a terminal")
        self.copy.setToolTip("Copy it, for a terminal or a cluster")
        self.copy.clicked.connect(
            lambda: QGuiApplication.clipboard().setText(self.line.toPlainText())
        )
        self.addWidget(self.line)
        self.addWidget(self.copy)

    def show_words(self, words: Sequence[str]) -> None:
        """Show the line of some words; none hides the fold."""
        self.setVisible(bool(words))
        typed_line = typed(words)
        # To set it would take a user's selection away.
        if typed_line != self.line.toPlainText():
            self.line.setPlainText(typed_line)
