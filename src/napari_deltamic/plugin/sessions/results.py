"""Fits and PSFs as numbers by name and arrays by name, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.plugin.history import Moment
from napari_deltamic.plugin.psf_choice import PsfChoice, choice_of, is_psf_class

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.fitting.state import Intensities
    from napari_deltamic.mesh import TriangleMesh

Arrays = dict[str, NDArray[Any]]
_MESH = ("vertices", "faces", "labels")
_ERRORS = ("vertices", "volumes", "areas", "interface_areas")


def mesh_arrays(mesh: TriangleMesh) -> Arrays:
    """Return the arrays of a mesh."""
    return {name: getattr(mesh, name) for name in _MESH}


def mesh_of(arrays: Mapping[str, NDArray[Any]]) -> TriangleMesh:
    """Return the mesh of its arrays."""
    from napari_deltamic.mesh import TriangleMesh

    return TriangleMesh(*(arrays[name] for name in _MESH))


def under(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return arrays with a word before their names."""
    return {f"{prefix}.{name}": array for name, array in arrays.items()}


def below(prefix: str, arrays: Mapping[str, NDArray[Any]]) -> Arrays:
    """Return those arrays that :func:`under` gave this word, without it."""
    start = f"{prefix}."
    return {name[len(start) :]: value for name, value in arrays.items() if name.startswith(start)}


def psf_parts(choice: PsfChoice) -> tuple[dict[str, Any], Arrays]:
    """Return a PSF's class and numbers, and its voxels if it has any."""
    arrays: Arrays = {}
    numbers: dict[str, Any] = {}
    for name, value in choice.arguments.items():
        if isinstance(value, np.ndarray):
            arrays[name] = value
        else:
            numbers[name] = list(value) if isinstance(value, tuple) else value
    return {"class": choice.class_name, "numbers": numbers}, arrays


def psf_of(parts: Mapping[str, Any], arrays: Arrays) -> PsfChoice:
    """Return the PSF of its parts.

    Raises
    ------
    ValueError
        If there is no such PSF, or its numbers do not go together.
    """
    name, numbers = str(parts["class"]), dict(parts["numbers"])
    if not is_psf_class(name):
        raise ValueError(f"psf: there is no PSF of the kind {name!r}")
    if isinstance(numbers.get("aberrations"), dict):
        # JSON has texts as keys.
        numbers["aberrations"] = {int(key): value for key, value in numbers["aberrations"].items()}
    for key in ("sigma", "spacing", "centre"):
        if isinstance(numbers.get(key), list):
            numbers[key] = tuple(numbers[key])
    choice = PsfChoice(name, numbers | arrays)
    try:
        choice.make()
    except TypeError as error:
        raise ValueError(f"psf: {error}") from error
    return choice


def result_parts(result: FitResult) -> tuple[dict[str, Any], Arrays]:
    """Return all that a fit gave."""
    psf, psf_arrays = psf_parts(choice_of(result.psf))
    facts: dict[str, Any] = {
        "stop_reason": result.stop_reason,
        "warnings": list(result.warnings),
        "stage_starts": list(result.stage_starts),
        "settings": result.settings.model_dump(mode="json"),
        "intensities": _brightness_numbers(result.intensities),
        "psf": psf,
        "optics": [_finite(one._asdict()) for one in result.optics],
    }
    losses = np.asarray(result.loss_history, dtype=np.float64)
    arrays: Arrays = {"image": result.image, "losses": losses, "origin": result.origin}
    arrays |= under("mesh", mesh_arrays(result.mesh)) | under("psf", psf_arrays)
    arrays |= under("intensities", _brightness_arrays(result.intensities))
    if result.errors is not None:
        errors = result.errors
        facts["errors"] = _brightness_numbers(errors.intensities)
        arrays |= under("errors", {name: getattr(errors, name) for name in _ERRORS})
        arrays |= under("errors.intensities", _brightness_arrays(errors.intensities))
    return facts, arrays


def result_of(facts: Mapping[str, Any], arrays: Arrays) -> FitResult:
    """Return the result of its parts; imports torch."""
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.fitting.shape_errors import ShapeErrors
    from napari_deltamic.fitting.state import LearnedQuantity

    errors = None
    if "errors" in facts:
        found = below("errors", arrays)
        brightness = _brightness(facts["errors"], below("intensities", found))
        errors = ShapeErrors(**{name: found[name] for name in _ERRORS}, intensities=brightness)
    image = arrays["image"]
    return FitResult(
        mesh=mesh_of(below("mesh", arrays)),
        _render=lambda: image,
        loss_history=arrays["losses"].tolist(),
        stage_starts=[int(start) for start in facts["stage_starts"]],
        stop_reason=str(facts["stop_reason"]),
        intensities=_brightness(facts["intensities"], below("intensities", arrays)),
        settings=FitSettings(**facts["settings"]),
        warnings=[str(warning) for warning in facts["warnings"]],
        psf=psf_of(facts["psf"], below("psf", arrays)).make(),
        optics=[
            LearnedQuantity(*(_number(one[name]) for name in LearnedQuantity._fields))
            for one in facts["optics"]
        ],
        errors=errors,
        # Sessions of before have none.
        origin=arrays.get("origin", np.zeros(3)),
    )


def moments_parts(moments: Sequence[Moment]) -> tuple[list[list[float]], Arrays]:
    """Return moments as rows of numbers, and their meshes in single precision."""
    rows: list[list[float]] = []
    arrays: Arrays = {}
    first: dict[int, int] = {}
    for number, moment in enumerate(moments):
        mesh = moment.mesh
        # Between two renewals of the triangles moments share their faces.
        at = first.setdefault(id(mesh.faces), number)
        if at == number:
            faces = {"faces": mesh.faces.astype(np.int32), "labels": mesh.labels.astype(np.int32)}
            arrays |= under(str(number), faces)
        arrays[f"{number}.vertices"] = mesh.vertices.astype(np.float32)
        rows.append([moment.iteration, moment.stage, moment.loss, at])
    return rows, arrays


def moments_of(rows: Sequence[Sequence[float]], arrays: Arrays) -> tuple[Moment, ...]:
    """Return the moments of their parts."""
    meshes: dict[int, TriangleMesh] = {}
    found = []
    for number, (iteration, stage, loss, at) in enumerate(rows):
        if int(at) in meshes:
            mesh = meshes[int(at)].with_vertices(arrays[f"{number}.vertices"])
        else:
            mesh = meshes[number] = mesh_of(below(str(number), arrays))
        found.append(Moment(int(iteration), int(stage), float(loss), mesh))
    return tuple(found)


def _brightness_numbers(brightness: Intensities) -> dict[str, float]:
    return {
        "background": float(brightness.background),
        "attenuation": float(brightness.attenuation),
    }


def _brightness_arrays(brightness: Intensities) -> Arrays:
    return {"membrane": brightness.membrane, "interior": brightness.interior}


def _brightness(numbers: Mapping[str, float], arrays: Arrays) -> Intensities:
    from napari_deltamic.fitting.state import Intensities

    return Intensities(
        arrays["membrane"], arrays["interior"], numbers["background"], numbers["attenuation"]
    )


def _number(value: Any) -> Any:
    return np.nan if value is None else value


def _finite(values: dict[str, Any]) -> dict[str, Any]:
    """Return values with None for what is not a number, which JSON does not have."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in values.items()
    }
