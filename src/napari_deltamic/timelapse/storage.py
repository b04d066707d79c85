"""A movie's results on disk, frame by frame, from which it goes on."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.checkpoint import fingerprint
from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.fitting.state import FitResult, Intensities
from napari_deltamic.imaging import ImageStack
from napari_deltamic.mesh import TriangleMesh, write_mesh
from napari_deltamic.mesh.rec import read_rec
from napari_deltamic.optics import PSF, load_psf, save_psf
from napari_deltamic.replacing import replacing
from napari_deltamic.timelapse.results import Division, FrameResult

_VERSION = 1
_PLAIN = (
    *("frame", "loss", "iterations", "seconds", "stop_reason"),
    *("warnings", "suspects", "lost", "noise"),
)


def movie_identity(
    stack: ImageStack,
    mesh: TriangleMesh,
    psf: PSF,
    settings: FitSettings,
    later: FitSettings,
    reseed: bool,
) -> str:
    """Return what tells the fit of one movie from another's; ``stack`` is its first frame."""
    digest = hashlib.sha256(fingerprint(stack, mesh, psf, settings).encode())
    digest.update(f"{later.model_dump_json()} {reseed}".encode())
    return digest.hexdigest()


def data_hash(stack: ImageStack) -> str:
    """Return what tells one frame's data from another's."""
    return hashlib.sha256(np.ascontiguousarray(stack.data).tobytes()).hexdigest()


class MovieFolder:
    """The folder that a movie's frames are written into.

    Parameters
    ----------
    path
        The folder; it is made where it does not exist.

    Raises
    ------
    ValueError
        If there is a file of that name, or the folder cannot be made.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ValueError(
                f"folder: cannot make {self.path} ({error.strerror}); choose another"
            ) from error

    def mesh_file(self, frame: int) -> Path:
        """Return the file of a frame's mesh."""
        return self.path / f"mesh_t{frame:04d}.rec"

    def facts_file(self, frame: int) -> Path:
        """Return the file of all else about a frame; with it the frame is complete."""
        return self.path / f"frame_t{frame:04d}.json"

    def checkpoint_file(self, frame: int) -> Path:
        """Return the file that a frame's progress is kept in while it is fitted."""
        return self.path / f"checkpoint_t{frame:04d}.npz"

    def begin(self, identity: str, resume: bool, first: int) -> int:
        """Make the folder ready and return how many frames, from ``first``, it has.

        Raises
        ------
        ValueError
            If it is to be gone on from, and is of another movie.
        """
        file = self.path / "movie.json"
        if resume and file.exists():
            found = _read_json(file)
            if found.get("version") != _VERSION or found.get("identity") != identity:
                raise ValueError(
                    f"folder: {self.path} holds the fit of another movie, or one with another "
                    "start, PSF or settings; give the same ones, or start afresh in another folder"
                )
            number = first
            while self.facts_file(number).exists() and self.mesh_file(number).exists():
                number += 1
            return number - first
        for pattern in ("mesh_t*.rec", "frame_t*.json", "checkpoint_t*.npz", "learned_psf.json"):
            for old in self.path.glob(pattern):
                old.unlink()
        _write_json(file, {"version": _VERSION, "identity": identity})
        return 0

    def write(self, result: FrameResult, data: str, psf: PSF | None) -> None:
        """Write a frame; the facts come last, and only with them does it count.

        Parameters
        ----------
        result
            The frame.
        data
            Hash of what was fitted.
        psf
            The PSF as learned, if this frame learned it.
        """
        if psf is not None:
            save_psf(psf, self.path / "learned_psf.json")
        write_mesh(result.mesh, self.mesh_file(result.frame))
        known = result.intensities
        facts = {name: getattr(result, name) for name in _PLAIN}
        facts |= {
            "data": data,
            "ratios": {str(region): ratio for region, ratio in result.ratios.items()},
            "divisions": [one._asdict() for one in result.divisions],
            "intensities": {
                "membrane_per_um2": known.membrane.tolist(),
                "interior_per_um3": known.interior.tolist(),
                "background": float(known.background),
                "attenuation_per_um": float(known.attenuation),
            },
            "measures": result.table(),
        }
        _write_json(self.facts_file(result.frame), facts)
        for file in self.path.glob(f"{self.checkpoint_file(result.frame).stem}*.npz"):
            file.unlink(missing_ok=True)

    def read(self, frame: int) -> tuple[FrameResult, str]:
        """Return a finished frame and the hash of its data.

        Raises
        ------
        ValueError
            If its files are damaged.
        """
        file = self.facts_file(frame)
        facts = _read_json(file)
        try:
            # Null where there is no number.
            facts["loss"] = float("nan") if facts["loss"] is None else facts["loss"]
            known = facts["intensities"]
            intensities = Intensities(
                _numbers(known["membrane_per_um2"]),
                _numbers(known["interior_per_um3"]),
                known["background"],
                known["attenuation_per_um"],
            )
            result = FrameResult(
                mesh=read_rec(self.mesh_file(frame)),
                intensities=intensities,
                ratios={int(region): ratio for region, ratio in facts["ratios"].items()},
                divisions=[
                    Division(one["frame"], one["parent"], (one["children"][0], one["children"][1]))
                    for one in facts["divisions"]
                ],
                **{name: facts[name] for name in _PLAIN},
            )
            return result, str(facts["data"])
        # Numbers, texts and lists where others are expected fail in many ways.
        except (LookupError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ValueError(f"folder: {file} is damaged ({error!r}); start afresh") from error

    def learned_psf(self) -> PSF | None:
        """Return the PSF that the first frame learned, if it did."""
        file = self.path / "learned_psf.json"
        return load_psf(file) if file.exists() else None


def learned(result: FitResult) -> PSF | None:
    """Return the PSF of a fit if it learned any of it."""
    return result.psf if result.optics else None


def _numbers(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def _read_json(file: Path) -> dict[str, Any]:
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    # Nesting without end has an error of its own.
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"folder: {file} cannot be read ({error}); start afresh") from error
    if not isinstance(content, dict):
        raise ValueError(f"folder: {file} is damaged; start afresh")
    return content


def _write_json(file: Path, content: dict[str, Any]) -> None:
    with replacing(file) as name:
        name.write_text(json.dumps(_finite(content), indent=1) + "\n", encoding="utf-8")


def _finite(value: Any) -> Any:
    """Return a value with NaN and infinity, which JSON does not have, as null."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
