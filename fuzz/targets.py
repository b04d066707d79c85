"""The readers that are fuzzed: how each is called, its first inputs, and what it may raise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import NamedTuple

from fuzz import seeds
from fuzz.guarding import is_out_of_memory
from fuzz.mutating import unpacked


class Prepared(NamedTuple):
    """A reader, ready to be called, and inputs that it reads."""

    seeds: list[bytes]
    read: Callable[[bytes], object]


@dataclass(frozen=True)
class Target:
    """One reader.

    Attributes
    ----------
    prepare
        Given an empty folder, returns the reader and its first inputs.
    modules
        Those whose branches guide the search; none with kernels that numba compiles.
    allowed
        The errors that the reader documents.
    """

    prepare: Callable[[Path], Prepared]
    modules: tuple[str, ...]
    allowed: tuple[type[BaseException], ...] = (ValueError,)


def _package(*modules: str) -> tuple[str, ...]:
    return tuple(f"napari_deltamic.{module}" for module in modules)


def _mesh(suffix: str, folder: Path) -> Prepared:
    from napari_deltamic.mesh import read_mesh

    file = folder / f"input{suffix}"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        read_mesh(file)

    return Prepared(seeds.mesh_files(suffix, folder), read)


def _tiff(folder: Path) -> Prepared:
    from napari_deltamic.imaging import read_stack, stack_info

    file = folder / "input.tif"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        info = stack_info(file)
        channel = 0 if info.channels > 1 else None
        read_stack(file, None, channel, 0 if info.frames > 1 else None)

    return Prepared(seeds.stack_files(folder), read)


def _zarr(folder: Path) -> Prepared:
    from napari_deltamic.imaging import open_stack, stack_info

    place = folder / "input.zarr"

    def read(data: bytes) -> None:
        # As deep as the chunks of version 3.
        if not _laid_out(data, place, deepest=5):
            return
        try:
            info = stack_info(place)
        except FileNotFoundError:
            return
        channel = 0 if info.channels > 1 else None
        stack = open_stack(place, (0.5, 0.2, 0.2), channel, 0 if info.frames > 1 else None)
        stack.part((0, 0, 0), (4, 4, 4))

    return Prepared(seeds.zarr_folders(folder), read)


def _psf(folder: Path) -> Prepared:
    from napari_deltamic.optics import load_psf

    file = folder / "input.json"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_psf(file)

    return Prepared(seeds.psf_files(folder), read)


def _settings(folder: Path) -> Prepared:
    from napari_deltamic.cli.fit import chosen_settings

    file = folder / "settings.json"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        _as_documented(lambda: chosen_settings(file, None))

    return Prepared(seeds.settings_files(), read)


def _session(folder: Path) -> Prepared:
    from napari_deltamic.plugin.sessions.checkpoints import checkpoint_facts
    from napari_deltamic.plugin.sessions.files import read_session

    place = folder / "input.deltamic"

    def read(data: bytes) -> None:
        members = _laid_out(data, place)
        if any(name.endswith("checkpoint.npz") for name in members):
            checkpoint_facts(place / "checkpoint.npz")
        else:
            read_session(place)

    return Prepared([*seeds.session_folders(folder), seeds.checkpoint_alone()], read)


def _autosaves(folder: Path) -> Prepared:
    from napari_deltamic.plugin.sessions.autosaves import interrupted, is_taken

    place = folder / "saves" / "input.deltamic"

    def read(data: bytes) -> None:
        _laid_out(data, place)
        interrupted(place.parent)
        is_taken(place)

    return Prepared(seeds.autosave_folders(), read)


def _checkpoint(folder: Path) -> Prepared:
    from napari_deltamic.fitting.checkpoint import load_checkpoint

    file = folder / "checkpoint.npz"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_checkpoint(file, seeds.IDENTITY)

    return Prepared(seeds.checkpoints(folder), read)


def _tissue(folder: Path) -> Prepared:
    from napari_deltamic.tissue.checkpoint import is_unfinished, load_tissue

    file = folder / "tissue.npz"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        is_unfinished(file)
        load_tissue(file, seeds.IDENTITY)

    return Prepared(seeds.tissue_checkpoints(folder), read)


def _model(folder: Path) -> Prepared:
    from napari_deltamic.compressive import load_model

    file = folder / "model.pt"

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_model(file)

    return Prepared(seeds.model_files(folder), read)


def _training(folder: Path) -> Prepared:
    from napari_deltamic.compressive.checkpoint import load_checkpoint

    file = folder / "training.pt"
    model, optimiser = seeds.small_training()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        load_checkpoint(file, seeds.IDENTITY, model, optimiser)

    return Prepared(seeds.training_checkpoints(folder), read)


def _frames(folder: Path) -> Prepared:
    from napari_deltamic.cli.starting_mesh import read_labels
    from napari_deltamic.compressive import read_frames, read_masks

    file = folder / "input.tif"
    model = seeds.small_model()

    def read(data: bytes) -> None:
        file.write_bytes(data)
        readers = (
            partial(read_frames, file, model),
            partial(read_masks, file),
            partial(read_labels, file, (2, 2, 2)),
        )
        for reader in readers:
            try:
                _as_documented(reader)
            except ValueError as error:
                # What is no mask may be frames.
                if type(error) is not ValueError or is_out_of_memory(error):
                    raise

    return Prepared(seeds.frame_files(folder), read)


def _table(folder: Path) -> Prepared:
    from napari_deltamic.batch.items import items_of_table
    from napari_deltamic.cli.starting_mesh import read_points

    file = folder / "table.csv"
    for name in ("a.tif", "b.tif", "psf.json"):
        (folder / name).write_bytes(b"")

    def read(data: bytes) -> None:
        file.write_bytes(data)
        if data[:1] in b"zZ-0123456789aA":
            _as_documented(lambda: read_points(file))
            return
        for item in items_of_table(file):
            # What the batch does with it: a folder of its own, below that of the batch.
            inside = (folder / "out" / item.name).resolve()
            assert inside.parent == (folder / "out").resolve(), item.name

    return Prepared(seeds.tables(), read)


def _outcome(folder: Path) -> Prepared:
    from napari_deltamic.batch.outcome import RECORD, read_outcome

    def read(data: bytes) -> None:
        (folder / RECORD).write_bytes(data)
        read_outcome(folder)

    return Prepared(seeds.outcomes(folder), read)


def _movie(folder: Path) -> Prepared:
    from napari_deltamic.timelapse.storage import MovieFolder

    place = folder / "movie"

    def read(data: bytes) -> None:
        _laid_out(data, place)
        movie = MovieFolder(place)
        if movie.facts_file(0).exists() and movie.mesh_file(0).exists():
            movie.read(0)
        movie.learned_psf()
        if (place / "movie.json").exists():
            movie.begin(seeds.IDENTITY, True, 0)

    return Prepared(seeds.movie_folders(folder), read)


def _laid_out(data: bytes, place: Path, deepest: int = 2) -> list[str]:
    """Write the members of an archive into a folder, those whose names stay in it."""
    for old in sorted(place.rglob("*"), reverse=True):
        old.rmdir() if old.is_dir() else old.unlink()
    place.mkdir(parents=True, exist_ok=True)
    written = []
    for name, content in unpacked(data).items():
        parts = name.split("/")
        if len(parts) > deepest or "\0" in name or not all(part.strip(".") for part in parts):
            continue
        file = place / name
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        except OSError:
            continue
        written.append(name)
    return written


def _as_documented(read: Callable[[], object]) -> None:
    """Call a reader of the command line, whose errors are those of its users."""
    from napari_deltamic.cli.errors import UsageError

    try:
        read()
    except UsageError as error:
        raise ValueError(str(error)) from error.__cause__


# What stacks of every format pass through.
_STACKS = tuple(f"imaging.{one}" for one in ("reading", "stored_image", "lazy_stack", "axes"))

TARGETS: dict[str, Target] = {
    **{
        suffix[1:]: Target(
            partial(_mesh, suffix),
            (
                *_package("mesh.files", "mesh.rec", "mesh.triangle_mesh", "mesh.orientation"),
                "trimesh.exchange",
            ),
        )
        for suffix in (".obj", ".ply", ".stl", ".off", ".rec")
    },
    "tiff": Target(
        _tiff,
        (
            *_package(*_STACKS, "imaging.tiff_reading", "imaging.tiff_limits", "imaging.metadata"),
            "tifffile",
        ),
    ),
    "zarr": Target(
        _zarr,
        (*_package(*_STACKS, "imaging.zarr_reading", "imaging.metadata"), "zarr.core.metadata"),
    ),
    "psf": Target(_psf, _package("optics")),
    "settings": Target(_settings, _package("cli.fit", "fitting.settings")),
    "session": Target(
        _session, (*_package("plugin.sessions", "archives"), "numpy.lib._format_impl")
    ),
    "autosaves": Target(_autosaves, _package("plugin.sessions.autosaves", "archives")),
    "checkpoint": Target(
        _checkpoint, (*_package("fitting.checkpoint", "archives"), "numpy.lib._format_impl")
    ),
    "tissue": Target(
        _tissue, (*_package("tissue.checkpoint", "archives"), "numpy.lib._format_impl")
    ),
    "model": Target(
        _model, (*_package("compressive", "archives"), "torch._weights_only_unpickler")
    ),
    "training": Target(_training, _package("compressive.checkpoint", "archives")),
    "frames": Target(_frames, (*_package("compressive.frame_files", "imaging"), "tifffile")),
    "table": Target(_table, _package("batch.items", "cli.starting_mesh")),
    "outcome": Target(_outcome, _package("batch.outcome")),
    "movie": Target(_movie, _package("timelapse.storage", "mesh.rec")),
}
