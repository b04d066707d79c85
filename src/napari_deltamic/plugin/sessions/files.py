"""Session folders: written so that what was saved before is whole at every moment, read safely.

``session.json`` names a subfolder that holds the arrays. A new subfolder is written first, then
``session.json`` is replaced, and the old subfolder removed last.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import python_version
from secrets import token_hex
from typing import Any, TypeVar, get_args

from napari_deltamic.fitting.settings import FitSettings
from napari_deltamic.plugin.sessions.arrays import read_arrays, write_arrays
from napari_deltamic.plugin.sessions.results import (
    Arrays,
    below,
    mesh_arrays,
    mesh_of,
    moments_of,
    moments_parts,
    psf_of,
    psf_parts,
    result_of,
    result_parts,
    under,
)
from napari_deltamic.plugin.sessions.saved import (
    ImageFile,
    Kind,
    SavedFit,
    SavedLayer,
    SavedSession,
)
from napari_deltamic.replacing import replacing

T = TypeVar("T")

SUFFIX, MAIN_FILE = ".deltamic", "session.json"
FORMAT, VERSION = "napari-deltamic session", 1
_LIBRARIES = ("napari-deltamic", "napari", "torch", "numpy")
_DATA_FOLDER = re.compile(r"data-[0-9a-f]{16}")
# Of a fit that runs, of a writing that was cut off, and what systems leave in folders.
_BEFORE = re.compile(r"data-[0-9a-f]{16}|running\.json.*|checkpoint\.npz.*|\..*")
_MOST_BYTES = 64 << 20
_KINDS = get_args(Kind)
_TABLES = "tables"


def write_session(folder: Path, saved: SavedSession) -> None:
    """Write a session into a folder; a session that is there is replaced at once or not at all.

    Parameters
    ----------
    folder
        Made where it does not exist.
    saved
        What to write.

    Raises
    ------
    ValueError
        If the folder holds other things than a session.
    OSError
        If it cannot be written; a session that was there is as before.
    """
    check_folder(folder)
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / f"data-{token_hex(8)}"
    try:
        data.mkdir()
        content = _write_data(data, folder, saved)
        text = json.dumps(content, indent=1, allow_nan=False) + "\n"
        with replacing(folder / MAIN_FILE) as temporary:
            temporary.write_text(text, encoding="utf-8")
    except BaseException:
        shutil.rmtree(data, ignore_errors=True)
        raise
    for other in folder.iterdir():
        if other != data and _DATA_FOLDER.fullmatch(other.name) and not other.is_symlink():
            shutil.rmtree(other, ignore_errors=True)


def check_folder(folder: Path) -> None:
    """Raise ValueError if a folder is there and holds other things than a session."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder} is a file; choose a folder for the session")
    if folder.is_dir() and any(folder.iterdir()) and not _may_hold(folder):
        raise ValueError(
            f"{folder} holds other things than a session; choose an empty or a new folder"
        )


def read_session(folder: Path) -> SavedSession:
    """Read a session folder; nothing in it is ever run. Imports torch where there is a PSF.

    Raises
    ------
    FileNotFoundError
        If there is no such folder.
    ValueError
        If it is no session, of another version, or damaged; the message names folder and part.
    """
    content = read_main_file(folder)
    try:
        data = folder / _checked_name(content["data"])
        if data.is_symlink() or not data.is_dir():
            raise ValueError(f"its folder {data.name} is missing")
        return _session_of(content, data, folder)
    except KeyError as error:
        raise ValueError(f"{folder}: the session is damaged ({error} is missing)") from error
    # Numbers and lists where others are expected fail in many ways, and so do names of files.
    except (TypeError, ValueError, AttributeError, IndexError, OverflowError, OSError) as error:
        raise ValueError(f"{folder}: the session is damaged ({error})") from error


def read_main_file(folder: Path) -> dict[str, Any]:
    """Return what a session's JSON file says.

    Raises
    ------
    FileNotFoundError, ValueError
        As :func:`read_session`.
    """
    if not folder.is_dir():
        raise FileNotFoundError(f"{folder}: there is no such folder")
    file = folder / MAIN_FILE
    if not file.is_file():
        raise ValueError(f"{folder}: no session, because {MAIN_FILE} is not in it")
    if file.stat().st_size > _MOST_BYTES:
        raise ValueError(f"{file}: larger than {_MOST_BYTES >> 20} MB; no session's is")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: not a JSON file ({error})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError(f"{file}: not a session of napari-deltamic")
    if content.get("version") != VERSION:
        raise ValueError(
            f"{file}: a session of version {content.get('version')!r}, and this napari-deltamic "
            f"reads version {VERSION}; a newer one may read it"
        )
    return content


def _may_hold(folder: Path) -> bool:
    """Whether a folder is a session, or has only what is there before its first writing ends."""
    if (folder / MAIN_FILE).is_file():
        return True
    return all(_BEFORE.fullmatch(entry.name) for entry in folder.iterdir())


def _checked_name(name: Any) -> str:
    """Return the name of the data's folder; whatever else could lead out of the session's."""
    if not isinstance(name, str) or not _DATA_FOLDER.fullmatch(name):
        raise ValueError(f"{name!r} is no folder of a session")
    return name


def _write_data(data: Path, folder: Path, saved: SavedSession) -> dict[str, Any]:
    content: dict[str, Any] = {
        "format": FORMAT,
        "version": VERSION,
        "versions": _versions(),
        "data": data.name,
        "roles": saved.roles,
        "frame": list(saved.frame),
        "marks": saved.marks,
        "settings": saved.settings.model_dump(mode="json"),
        "movie_folder": saved.movie_folder,
        "layers": [],
    }
    for number, layer in enumerate(saved.layers):
        if layer.arrays:
            write_arrays(data / _layer_file(number), layer.arrays)
        content["layers"].append(_layer_facts(layer, folder))
    if saved.psf is not None:
        content["psf"] = _write_parts(data / "psf.npz", psf_parts(saved.psf))
    if saved.fit is not None:
        facts, voxels = psf_parts(saved.fit.psf)
        write_arrays(
            data / "fit.npz", under("psf", voxels) | under("mesh", mesh_arrays(saved.fit.mesh))
        )
        content["fit"] = {
            "psf": facts,
            "settings": saved.fit.settings.model_dump(mode="json"),
            "frame": list(saved.fit.frame),
            "whole_up_to": saved.fit.whole_up_to,
            "first_stage": saved.fit.first_stage,
        }
    if saved.result is not None:
        from napari_deltamic.fitting.result_tables import write_result_tables

        content["result"] = _write_parts(data / "result.npz", result_parts(saved.result))
        content["result"]["origin"] = list(saved.result_origin)
        (data / _TABLES).mkdir()
        write_result_tables(data / _TABLES, saved.result)
    if saved.moments:
        content["moments"] = _write_parts(data / "moments.npz", moments_parts(saved.moments))
    return content


def _write_parts(path: Path, parts: tuple[T, Arrays]) -> T:
    write_arrays(path, parts[1])
    return parts[0]


def _layer_file(number: int) -> str:
    return f"layer-{number}.npz"


def _layer_facts(layer: SavedLayer, folder: Path) -> dict[str, Any]:
    facts: dict[str, Any] = {
        "kind": layer.kind,
        "name": layer.name,
        "options": layer.options,
        "shapes": {name: list(array.shape) for name, array in layer.arrays.items()},
        "types": {name: array.dtype.str for name, array in layer.arrays.items()},
    }
    if layer.file is not None:
        facts["file"] = layer.file._asdict()
        try:
            # The session may be moved along with what it refers to.
            facts["file"]["from_here"] = os.path.relpath(layer.file.path, folder)
        except ValueError:
            # On another drive.
            facts["file"]["from_here"] = None
    return facts


def _session_of(content: dict[str, Any], data: Path, folder: Path) -> SavedSession:
    layers = tuple(
        _layer(number, facts, data, folder) for number, facts in enumerate(content["layers"])
    )
    roles = {str(role): int(place) for role, place in content["roles"].items()}
    if not all(0 <= place < len(layers) for place in roles.values()):
        raise ValueError("a role is that of no layer")
    values: dict[str, Any] = {
        "layers": layers,
        "roles": roles,
        "frame": tuple(int(place) for place in content["frame"]),
        "settings": FitSettings(**content["settings"]),
        "marks": content["marks"],
        "movie_folder": content["movie_folder"],
        "versions": {str(name): str(number) for name, number in content["versions"].items()},
    }
    if "psf" in content:
        values["psf"] = psf_of(content["psf"], read_arrays(data / "psf.npz"))
    if "fit" in content:
        arrays, facts = read_arrays(data / "fit.npz"), content["fit"]
        values["fit"] = SavedFit(
            mesh_of(below("mesh", arrays)),
            psf_of(facts["psf"], below("psf", arrays)),
            FitSettings(**facts["settings"]),
            tuple(int(place) for place in facts["frame"]),
            int(facts["whole_up_to"]),
            int(facts["first_stage"]),
        )
    if "result" in content:
        values["result"] = result_of(content["result"], read_arrays(data / "result.npz"))
        values["result_origin"] = tuple(map(float, content["result"]["origin"]))
    if "moments" in content:
        values["moments"] = moments_of(content["moments"], read_arrays(data / "moments.npz"))
    if values["marks"] not in (None, "membrane", "interior"):
        raise ValueError(f"marks: {values['marks']!r}")
    assert values.keys() <= {field.name for field in fields(SavedSession)}
    return SavedSession(**values)


def _layer(number: int, facts: dict[str, Any], data: Path, folder: Path) -> SavedLayer:
    kind = facts["kind"]
    if kind not in _KINDS:
        raise ValueError(f"a layer of the kind {kind!r}")
    options = facts["options"]
    if not isinstance(options, dict) or not all(map(_is_plain, options.values())):
        raise ValueError(f"layer {number}: options")
    file = None
    if "file" in facts:
        given = facts["file"]
        file = ImageFile(
            _first_that_is_there(given["path"], given["from_here"], folder),
            str(given["reader"]),
            int(given["item"]),
            tuple(int(place) for place in given["frame"]),
            str(given["digest"]),
        )
    arrays = read_arrays(data / _layer_file(number)) if facts["shapes"] else {}
    return SavedLayer(kind, str(facts["name"]), arrays, options, file)


def _first_that_is_there(path: str, from_here: str | None, folder: Path) -> str:
    moved = None if from_here is None else folder / from_here
    if not Path(path).exists() and moved is not None and moved.exists():
        return str(moved.resolve())
    return str(path)


def _is_plain(value: Any) -> bool:
    if isinstance(value, list):
        return all(map(_is_plain, value))
    if isinstance(value, float):
        return math.isfinite(value)
    return value is None or isinstance(value, str | int | bool)


def _versions() -> dict[str, str]:
    found = {"python": python_version()}
    for library in _LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            found[library] = "not installed"
    return found
