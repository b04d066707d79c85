"""How each step of the guide stands, in a sentence; no widgets and no viewer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple

from napari_deltamic.plugin.fit_worker import Phase
from napari_deltamic.plugin.pace import about
from napari_deltamic.plugin.suggestions import Marks, Noise
from napari_deltamic.plugin.widgets import count_of

MARKS_WORDS: dict[Marks, str] = {
    "membrane": "Membranes, around cells",
    "interior": "Insides, such as nuclei",
}
_MARKED: dict[Marks, str] = {"membrane": "membranes", "interior": "insides"}
_NOISE: dict[Noise, str] = {"poisson": "photon noise", "gaussian": "even noise"}
_FINDS: dict[str, str] = {
    "membrane": "finds the cells between the membranes",
    "interior": "finds the bright objects",
}


class Standing(Enum):
    """How a step stands; the values are the colours of its badge."""

    WAITS = "#7d7d7d"
    READY = "#2468a8"
    BUSY = "#7a5195"
    DONE = "#2b8a4a"
    WRONG = "#b36b00"


class StepState(NamedTuple):
    """How a step stands, and a sentence that says so."""

    standing: Standing
    sentence: str


@dataclass(frozen=True)
class ImageFacts:
    """What is known of the image.

    Attributes
    ----------
    problem
        Why there is none that can be used; "" if there is.
    has_layer
        Whether there is an Image layer at all.
    has_voxel_size
        Whether the layer has one.
    marks, noise
        What it shows, as far as that is known.
    is_looking
        Whether that is being worked out.
    is_accepted
        Whether the user went on with it.
    name, shape
        Of the stack.
    frame
        Which frame or channel it is, as a sentence; "" if there is but one.
    doubt
        What is wrong with its voxels, as a sentence; "" if nothing seems to be.
    """

    problem: str = ""
    has_layer: bool = True
    has_voxel_size: bool = True
    marks: Marks | None = None
    noise: Noise | None = None
    is_looking: bool = False
    is_accepted: bool = False
    name: str = ""
    shape: tuple[int, ...] = ()
    frame: str = ""
    doubt: str = ""

    @property
    def is_ready(self) -> bool:
        """Whether the next step can begin."""
        return not self.problem and self.has_layer and self.has_voxel_size and bool(self.marks)


def image_state(facts: ImageFacts) -> StepState:
    """Return how the first step stands."""
    if not facts.has_layer:
        return StepState(
            Standing.WAITS,
            "No image yet: open a 3D stack with File > Open, or a sample with "
            "File > Open Sample > deltaMic.",
        )
    if facts.problem:
        return StepState(Standing.WRONG, _sentence(facts.problem))
    if not facts.has_voxel_size:
        return StepState(
            Standing.WRONG, "The voxel size is not known: fill it in below and press Apply."
        )
    if facts.is_looking:
        return StepState(Standing.BUSY, "Looking at the image...")
    if facts.doubt and not facts.is_accepted:
        return StepState(
            Standing.WRONG, f"{facts.doubt} Is this the right image, channel and frame?"
        )
    if facts.marks is None:
        return StepState(
            Standing.WRONG,
            "The image does not tell for sure what the dye marks: choose it below.",
        )
    size = " × ".join(map(str, facts.shape))
    seen = _MARKED[facts.marks] + (f", {_NOISE[facts.noise]}" if facts.noise else "")
    if facts.is_accepted:
        sentence = f"{facts.name}: {size} voxels, {seen}. {facts.frame}"
        return StepState(Standing.DONE, sentence.rstrip())
    return StepState(
        Standing.READY,
        f"It seems to show {seen}. If that and the voxel size are right, press Use this image.",
    )


def seed_state(
    image_is_ready: bool, marks: str | None, has_seed: bool, is_busy: bool, said: str, warns: bool
) -> StepState:
    """Return how the second step stands.

    Parameters
    ----------
    image_is_ready, has_seed, is_busy
        What there is, and whether cells are being sought.
    marks
        What the chosen method looks for; None if the user points at it.
    said, warns
        What the seed's own widgets said last, and whether that is a complaint.
    """
    if not image_is_ready:
        return StepState(Standing.WAITS, "Needs an image first.")
    if is_busy:
        return StepState(Standing.BUSY, "Looking for cells...")
    if said and warns:
        return StepState(Standing.WRONG, _sentence(said))
    if has_seed:
        return StepState(Standing.DONE, said or "The seed mesh is there.")
    if said:
        return StepState(Standing.READY, said)
    does = _FINDS.get(marks or "", "begins from what is chosen below")
    return StepState(Standing.READY, f"No seed yet: Make seed mesh {does}.")


def optics_state(image_is_ready: bool, is_assumed: bool, summary: str) -> StepState:
    """Return how the third step stands; ``summary`` describes the PSF."""
    if not image_is_ready:
        return StepState(Standing.WAITS, "Needs an image first.")
    if is_assumed:
        return StepState(
            Standing.READY,
            f"Assumed: a blur of one voxel ({summary}). Go on with it, or tell more for sizes "
            "that are more exact.",
        )
    return StepState(Standing.DONE, f"{summary}.")


@dataclass(frozen=True)
class FitFacts:
    """What is known of the fit.

    Attributes
    ----------
    has_seed
        Whether it can begin.
    phase
        Of the fit that runs; None if none does.
    stage, stages, progress
        How far it is.
    seconds_left
        How long it may still take; None if that cannot be told.
    said, warns
        What the fit's own widgets said last, and whether that is a complaint.
    loss
        Of the result; None if there is none.
    warnings
        How many the result came with.
    reason
        Why the settings are not the usual ones.
    """

    has_seed: bool = False
    phase: Phase | None = None
    stage: int = 0
    stages: int = 0
    progress: float = 0.0
    seconds_left: float | None = None
    said: str = ""
    warns: bool = False
    loss: float | None = None
    warnings: int = 0
    reason: str = ""


def fit_state(facts: FitFacts) -> StepState:
    """Return how the fourth step stands."""
    if facts.phase is not None:
        if facts.phase is Phase.RUNNING and facts.stages:
            left = "" if facts.seconds_left is None else f", {about(facts.seconds_left)} left"
            return StepState(
                Standing.BUSY,
                f"{facts.said or 'Fitting'}: stage {facts.stage} of {facts.stages}, "
                f"{facts.progress:.0%} done{left}.",
            )
        return StepState(Standing.BUSY, facts.said)
    if facts.warns:
        return StepState(Standing.WRONG, _sentence(facts.said))
    if facts.loss is not None:
        also = f" {count_of(facts.warnings, 'warning')}, lower right." if facts.warnings else ""
        return StepState(Standing.DONE, f"{facts.said} Loss: {facts.loss:.3g}.{also}")
    if not facts.has_seed:
        return StepState(Standing.WAITS, "Needs a seed mesh first.")
    ready = "Ready: press Fit, and watch the mesh move."
    return StepState(Standing.READY, f"{ready} {facts.reason}".rstrip())


def results_state(has_result: bool, is_busy: bool, cells: int | None, said: str) -> StepState:
    """Return how the last step stands; ``cells`` is None until they are measured."""
    if is_busy:
        return StepState(Standing.BUSY, "Measuring...")
    if cells is None:
        return StepState(Standing.WAITS, "Nothing to measure yet." if not has_result else said)
    return StepState(Standing.DONE, said or f"{count_of(cells, 'cell')} measured.")


def _sentence(message: str) -> str:
    """Return a message as a sentence."""
    end = "" if message.endswith("?") else "."
    return message[:1].upper() + message[1:].rstrip(".") + end
