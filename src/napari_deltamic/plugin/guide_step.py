"""A step of the guide: a title to fold it by, how it stands in a sentence, and its widgets."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QFrame,
    QGridLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_deltamic.plugin.guide_words import Standing, StepState

_BADGE = 22
# Half transparent, so that they suit dark and light themes.
_PLAIN = (".QWidget", "QLabel", "QCheckBox", "QCollapsible", "QStackedWidget", "QGraphicsView")
_FRAME = (
    "GuideStep { background: rgba(128, 128, 128, 36); border-radius: 4px; }"
    + ", ".join(f"GuideStep {kind}" for kind in _PLAIN)
    # They would show as patches in the colour of the window.
    + "{ background: transparent; }"
)
_CLEAR = "background: transparent;"
_TITLE = "QToolButton { background: transparent; border: none; font-weight: bold; padding: 0; }"
MAIN_BUTTON = (
    "QPushButton { background: #2468a8; color: white; font-weight: bold; }"
    "QPushButton:hover { background: #2f7cc4; }"
    "QPushButton:pressed { background: #1b5288; }"
    "QPushButton:focus { border: 2px solid #a9d6ff; }"
    "QPushButton:disabled { background: rgba(128, 128, 128, 60); color: #8c8c8c; }"
)


class GuideStep(QFrame):
    """A section that can be folded.

    Parameters
    ----------
    number
        Its place among the steps, from 1.
    title
        Its name.
    tip
        What it is for.

    Attributes
    ----------
    body
        Where its widgets go.
    state
        How it stands, as shown.
    """

    opened = Signal()

    def __init__(self, number: int, title: str, tip: str) -> None:
        super().__init__()
        self.state = StepState(Standing.WAITS, "")
        self._number = number
        self._inside = QWidget()
        self.header = QToolButton()
        self.badge, self.sentence = QLabel(), QLabel()
        self.body = QVBoxLayout(self._inside)
        self.setStyleSheet(_FRAME)
        self._lay_out(title, tip)
        self.header.toggled.connect(self._on_toggled)
        self._on_toggled(False)

    def _lay_out(self, title: str, tip: str) -> None:
        self.header.setText(title)
        self.header.setToolTip(f"{tip}. Click to open or fold this step.")
        self.header.setAccessibleName(f"Step {self._number}: {title}")
        self.header.setCheckable(True)
        self.header.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.header.setStyleSheet(_TITLE)
        self.header.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.badge.setFixedSize(_BADGE, _BADGE)
        self.badge.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.sentence.setWordWrap(True)
        self.sentence.setStyleSheet(_CLEAR)
        self._inside.setObjectName("inside")
        self._inside.setStyleSheet(f"#inside {{ {_CLEAR} }}")
        self.body.setContentsMargins(0, 4, 0, 0)
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 6, 8, 8)
        grid.setHorizontalSpacing(8)
        grid.setVerticalSpacing(2)
        grid.addWidget(self.badge, 0, 0)
        grid.addWidget(self.header, 0, 1)
        grid.addWidget(self.sentence, 1, 1)
        grid.addWidget(self._inside, 2, 0, 1, 2)
        grid.setColumnStretch(1, 1)

    @property
    def is_open(self) -> bool:
        """Whether its widgets are shown."""
        return self.header.isChecked()

    def set_open(self, is_open: bool) -> None:
        """Show or fold its widgets."""
        self.header.setChecked(is_open)

    def show_state(self, state: StepState) -> None:
        """Show how the step stands."""
        self.state = state
        is_done, is_wrong = state.standing is Standing.DONE, state.standing is Standing.WRONG
        self.badge.setText("✓" if is_done else "!" if is_wrong else str(self._number))
        self.badge.setStyleSheet(
            f"background: {state.standing.value}; color: white; font-weight: bold; "
            f"border-radius: {_BADGE // 2}px;"
        )
        self.badge.setToolTip(state.sentence)
        self.sentence.setText(state.sentence)
        self.header.setAccessibleDescription(state.sentence)

    def _on_toggled(self, is_open: bool) -> None:
        self.header.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self._inside.setVisible(is_open)
        if is_open:
            self.opened.emit()


def as_main_button(button: QPushButton) -> QPushButton:
    """Make a button the one of its step that stands out."""
    button.setStyleSheet(MAIN_BUTTON)
    button.setMinimumHeight(32)
    return button
