"""What all stacks of a batch share, as options of the command line and in sentences; no Qt."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from napari_deltamic.batch.options import later_wins
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.plugin.cell_finder import InteriorFinder, MembraneFinder
from napari_deltamic.plugin.psf_choice import GAUSSIAN, PsfChoice
from napari_deltamic.plugin.repeat import Three, length_words, psf_words, setting_words
from napari_deltamic.replacing import replacing

if TYPE_CHECKING:
    from napari_deltamic.plugin.session import Session
    from napari_deltamic.plugin.spatial import Placement

Start = Literal["membranes", "threshold", "table"]

PSF_BESIDE = "psf.json"
"""What a fit writes beside its settings."""
_MARKED = {"membrane": "membranes", "interior": "insides", "both": "membranes and insides"}


@dataclass(frozen=True)
class SharedOptions:
    """How every stack of a batch is fitted.

    Attributes
    ----------
    settings
        Or a file of settings.
    psf
        Or a PSF file; None if there is none yet.
    start
        What tells where the cells are; "table" leaves that to the columns of a table.
    threshold
        For that start; None finds one for each stack.
    spacing
        Voxel size in um; None takes what each file says.
    channel
        Which of several, from 0.
    more
        Other options, as typed.
    """

    settings: FitSettings | Path
    psf: PsfChoice | Path | None
    start: Start
    threshold: float | None = None
    spacing: Three | None = None
    channel: int | None = None
    more: str = ""

    def words(self, psf: Three | Path | None) -> list[str]:
        """Return the options of the command line.

        Parameters
        ----------
        psf
            From :meth:`psf_place` or :meth:`write_psf`.

        Raises
        ------
        ValueError
            If the other options have a quotation mark without its partner.
        """
        words = [] if psf is None else psf_words(psf)
        if self.start == "membranes":
            words.append("--membranes")
        elif self.start == "threshold":
            given = self.threshold
            words += ["--auto"] if given is None else ["--threshold", repr(given)]
        if self.spacing is not None:
            words += length_words("--spacing", self.spacing)
        if self.channel is not None:
            words += ["--channel", str(self.channel)]
        if isinstance(self.settings, Path):
            words += ["--settings", str(self.settings)]
        else:
            words += setting_words(self.settings)
        try:
            return list(later_wins(words, shlex.split(self.more)))
        except ValueError as error:
            raise ValueError(f"other options: {str(error).lower()}") from error

    def psf_place(self, folder: Path) -> Three | Path | None:
        """Return what a command line into a folder names the PSF by, before it is written."""
        if isinstance(self.psf, PsfChoice):
            return _widths(self.psf) or folder / PSF_BESIDE
        return self.psf

    def write_psf(self, folder: Path) -> Three | Path | None:
        """Write the PSF into a folder where it needs a file; return what names it.

        The file is named after its content, because results that are there count as done by the
        words of their command line.

        Raises
        ------
        OSError
            If it cannot be written.
        """
        place = self.psf_place(folder)
        if not isinstance(self.psf, PsfChoice) or not isinstance(place, Path):
            return place
        from napari_deltamic.optics import save_psf

        with replacing(place) as name:
            save_psf(self.psf.make(), name)
        digest = sha256(place.read_bytes()).hexdigest()[:8]
        return place.replace(folder / f"psf-{digest}.json")

    def sentences(self, with_psf: bool = True) -> str:
        """Return what is chosen, for a user to check."""
        said = []
        if isinstance(self.settings, Path):
            said.append(f"Settings as in {self.settings.name}.")
        else:
            said.append(f"The dye marks {_MARKED[self.settings.label]}.")
        if with_psf and isinstance(self.psf, PsfChoice):
            said.append(f"PSF of this session: {self.psf.summary()}.")
        elif with_psf and isinstance(self.psf, Path):
            said.append(f"PSF: {self.psf.name} beside it.")
        if isinstance(self.settings, FitSettings):
            said.append(_other_than_default(self.settings))
        return " ".join(said)


class Known(NamedTuple):
    """What the session of a viewer has to say for a batch."""

    psf: PsfChoice | None
    is_guess: bool
    start: Start
    threshold: float | None
    note: str


def known_of(session: Session, placement: Placement | None) -> Known:
    """Return what the choices of a session come to for other stacks.

    Parameters
    ----------
    session
        Of the viewer.
    placement
        Of the chosen image; None if there is none.
    """
    fitted, psf = session.fitted, session.psf_choice
    is_guess = psf is None
    if psf is None and fitted is not None:
        psf = fitted.psf
    elif psf is None and placement is not None:
        psf = session.psf_for(placement)
    finder, start, threshold = session.finder, "membranes", None
    if isinstance(finder, InteriorFinder):
        start, threshold = "threshold", finder.threshold
    elif finder is None and "interior" in (session.marks, session.settings.label):
        start = "threshold"
    notes = []
    if is_guess and psf is not None:
        notes.append("The PSF is a guess, one voxel of your image: better set it first.")
    if fitted is None:
        notes.append("Nothing was fitted with this yet: try it on one stack first.")
    if finder not in (None, MembraneFinder(), InteriorFinder(threshold)):
        notes.append(
            "What you set in the Seed step beside the threshold, such as the cells' size, is found "
            "for each stack anew."
        )
    found: Start = "threshold" if start == "threshold" else "membranes"
    return Known(psf, is_guess, found, threshold, " ".join(notes))


def _widths(psf: PsfChoice) -> Three | None:
    """Return the widths of a plain Gaussian, which needs no file."""
    if psf.class_name != GAUSSIAN or "sigma" not in psf.arguments:
        return None
    z, y, x = np.broadcast_to(psf.arguments["sigma"], 3).tolist()
    return z, y, x


def _other_than_default(settings: FitSettings) -> str:
    defaults, said = FitSettings(), []
    for name, field in FitSettings.model_fields.items():
        value = getattr(settings, name)
        if name == "label" or value == getattr(defaults, name):
            continue
        shown = {True: "yes", False: "no"}[value] if isinstance(value, bool) else value
        shown = ", ".join(shown) if isinstance(shown, tuple) else shown
        said.append(f"{(field.title or name).lower()}: {shown}")
    return f"Not the defaults: {'; '.join(said)}." if said else "All settings are the defaults."
