"""First inputs of the fuzzer: small sound files of every kind, most by the package's writers."""

from __future__ import annotations

import io
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from fuzz.mutating import packed

if TYPE_CHECKING:
    import torch

    from napari_deltamic.compressive import CompressiveModel
    from napari_deltamic.mesh import TriangleMesh

IDENTITY = "the same"
_TETRAHEDRON = [[0, 2, 1], [0, 3, 2], [0, 1, 3], [1, 2, 3]]
_OBJ = b"""mtllib /etc/passwd
o one
v 0 0 0
v 3 0 0 1 0 0
v 0 2 0
v 0 0 1
v 0 2 1
vt 0 0
vn 0 0 1
usemtl m
f 1/1/1 3/1/1 2/1/1
f 1//1 2//1 4//1
g two
f -5 -1 -2
f 2 3 5 4
"""
_PLY = b"""ply
format ascii 1.0
comment TextureFile /etc/passwd
element vertex 4
property float x
property double y
property int z
property uchar red
element face 3
property list uchar int vertex_indices
property uchar alpha
element edge 1
property int vertex1
property int vertex2
end_header
0 0 0 9
3 0 0 9
0 2 0 9
0 0 1 9
3 0 2 1 1
4 0 1 2 3 1
3 1 2 3 1
0 1
"""
_STL = b"""solid a
facet normal 0 0 1
outer loop
vertex 0 0 0
vertex 3 0 0
vertex 0 2 0
endloop
endfacet
endsolid a
"""
_OFF = b"COFF\n# a comment\n4 2 0\n0 0 0 255\n3 0 0 255\n0 2 0 255\n0 0 1 255\n3 0 2 1\n4 0 1 2 3\n"
_BY_HAND = {".obj": [_OBJ], ".ply": [_PLY], ".stl": [_STL], ".off": [_OFF]}


def tetrahedron(offset: float = 0.0) -> TriangleMesh:
    """Return a small closed mesh."""
    from napari_deltamic.mesh import TriangleMesh

    return TriangleMesh(np.vstack([np.zeros(3), np.diag((1.0, 2.0, 3.0))]) + offset, _TETRAHEDRON)


def mesh_files(suffix: str, folder: Path) -> list[bytes]:
    """Return mesh files of one format."""
    from napari_deltamic.mesh import box, concatenate, write_mesh

    file, contents = folder / f"seed{suffix}", []
    for mesh in (tetrahedron(), box((0, 0, 0), (1, 2, 3)), concatenate([tetrahedron()] * 2)):
        write_mesh(mesh, file)
        contents.append(file.read_bytes())
    return contents + _BY_HAND.get(suffix, [])


def stack_files(folder: Path) -> list[bytes]:
    """Return TIFF files: OME, ImageJ and plain ones, compressed, tiled, of several channels."""
    data = np.arange(2 * 3 * 4 * 5, dtype=np.uint16).reshape(2, 3, 4, 5)
    sizes = {f"PhysicalSize{axis}": 0.5 for axis in "ZYX"}
    ome = {"ome": True, "metadata": {"axes": "ZYX", **sizes}}
    scaled = {"resolution": (2.0, 2.0), "metadata": {"axes": "ZYX", "unit": "um", "spacing": 0.5}}
    ways: list[tuple[Any, dict[str, Any]]] = [
        (data[0], ome),
        (data, ome | {"metadata": {"axes": "CZYX", **sizes}}),
        (data[0], {"imagej": True, **scaled}),
        (data[0].astype(np.float32), ome | {"bigtiff": True, "byteorder": ">"}),
        (np.zeros((2, 32, 32), np.uint8), ome | {"tile": (16, 16), "compression": "zlib"}),
        *((data[0], ome | {"compression": one}) for one in ("lzw", "zstd", "packbits", "zlib")),
        *((data[0].astype(np.uint8), ome | {"compression": one}) for one in ("jpeg2000", "jpeg")),
        (data[0], ome | {"predictor": 2, "compression": "lzw"}),
    ]
    return [_tiff(folder, content, options) for content, options in ways]


def zarr_folders(folder: Path) -> list[bytes]:
    """Return OME-Zarr images of versions 0.4 and 0.5 and a plain array, as archives."""
    import zarr

    contents = []
    units = [{"name": one, "type": "space", "unit": "micrometer"} for one in "zyx"]
    steps = [{"type": "scale", "scale": [0.5, 0.2, 0.2]}]
    level = {"path": "0", "coordinateTransformations": steps}
    image = {"axes": units, "datasets": [level]}
    attributes: dict[int, dict[str, Any]] = {
        2: {"multiscales": [{"version": "0.4"} | image]},
        3: {"ome": {"version": "0.5", "multiscales": [image]}},
    }
    parts = {"shape": (2, 3, 4), "chunks": (2, 3, 2), "dtype": "uint16"}
    for version in (2, 3):
        place = folder / f"seed-{version}.zarr"
        group = zarr.open_group(place, mode="w", zarr_format=version)
        group.create_array("0", **parts)[...] = 7
        group.attrs.update(attributes[version])
        contents.append(_as_archive(place))
    place = folder / "seed-plain.zarr"
    zarr.create_array(place, dimension_names=["z", "y", "x"], **parts)[...] = 7
    return [*contents, _as_archive(place)]


def frame_files(folder: Path) -> list[bytes]:
    """Return TIFF files of masks, of frames of :func:`small_model`, and of labels."""
    masks = np.eye(4, dtype=np.uint8)[None] * 255
    frames = np.ones((2, 2, 2), np.float32)
    ways = (masks, {}), (frames, {}), (frames.astype(np.uint16), {"compression": "zlib"})
    return [_tiff(folder, content, options) for content, options in ways]


def _tiff(folder: Path, data: Any, options: dict[str, Any]) -> bytes:
    import tifffile

    file = folder / "seed.tif"
    tifffile.imwrite(file, data, photometric="minisblack", **options)
    return file.read_bytes()


def psf_files(folder: Path) -> list[bytes]:
    """Return PSF files of each class."""
    from napari_deltamic import optics

    two = {"excitation_wavelength": 0.488, "emission_wavelength": 0.52}
    psfs = [
        optics.GaussianPSF((0.3, 0.1, 0.1)),
        optics.GaussianPSF(covariance=np.diag((0.09, 0.01, 0.01))),
        optics.MeasuredPSF(np.ones((3, 3, 3)), (0.3, 0.1, 0.1)),
        optics.WidefieldPSF(na=1.2, wavelength=0.52),
        optics.GibsonLanniPSF(na=1.4, wavelength=0.52),
        optics.PupilPSF(na=1.2, wavelength=0.52, aberrations={5: 0.1}),
        optics.RichardsWolfPSF(na=1.2, wavelength=0.52),
        optics.ConfocalPSF(na=1.2, **two),
        optics.SpinningDiscPSF(na=1.2, magnification=60, **two),
        optics.LightSheetPSF(na=1.0, wavelength=0.52, sheet_thickness=3.0),
        optics.TwoPhotonPSF(na=1.0, excitation_wavelength=0.9),
    ]
    contents = []
    for psf in psfs:
        optics.save_psf(psf, folder / "seed.json")
        contents.append((folder / "seed.json").read_bytes())
    return contents


def settings_files() -> list[bytes]:
    """Return settings by name, alone and as results have them."""
    from napari_deltamic.fitting.settings import FitSettings

    settings = FitSettings(learn=("sigma", "na"), edge_length=0.5).model_dump(mode="json")
    return [json.dumps(settings).encode(), json.dumps({"settings": settings}).encode()]


def checkpoints(folder: Path) -> list[bytes]:
    """Return checkpoints of a fit before its first step, and of one in its midst."""
    import torch

    from napari_deltamic.fitting.checkpoint import save_checkpoint
    from napari_deltamic.fitting.lbfgs import Memory
    from napari_deltamic.fitting.misfit import Evaluation
    from napari_deltamic.fitting.progress import Optics, begin

    file, contents = folder / "seed.npz", []
    progress = begin(tetrahedron(), "both", "cpu")
    for is_midway in (False, True):
        if is_midway:
            steps = torch.ones(4, 3, dtype=torch.float64)
            progress.here = Evaluation(0.5, steps, progress.brightness, 0.1)
            progress.anchor = progress.mesh.vertices, progress.brightness
            progress.optics = Optics(*np.ones((4, 1)), 0.5, np.ones(1))
            progress.memory = Memory([steps], [steps], steps)
            progress.leg_start = progress.cleared = progress.mesh.vertices
            progress.loss_history, progress.stage_starts = [0.5, 0.4], [0]
        save_checkpoint(file, progress, IDENTITY)
        contents.append(file.read_bytes())
    return contents


def tissue_checkpoints(folder: Path) -> list[bytes]:
    """Return checkpoints of a tissue's fit before its first block, and of one in its midst."""
    from napari_deltamic.tissue.checkpoint import save_tissue
    from napari_deltamic.tissue.light import Light
    from napari_deltamic.tissue.progress import BlockSummary, TissueProgress

    file, contents = folder / "seed-tissue.npz", []
    begun = TissueProgress(tetrahedron(), 2)
    midway = TissueProgress(tetrahedron(), 2, Light({(0, 1): 2.0}, {1: 3.0}), 0, 1, 1, True)
    midway.summaries[0] = BlockSummary(1.0, 0.1, 1e-6, 20, "settled")
    midway.warnings.append("one")
    for progress in (begun, midway):
        save_tissue(file, progress, IDENTITY)
        contents.append(file.read_bytes())
    return contents


def checkpoint_alone() -> bytes:
    """Return the folder of a session that has a checkpoint alone."""
    return packed({"checkpoint.npz": _facts()})


def _facts() -> bytes:
    target = io.BytesIO()
    facts = {"iteration": 3, "loss_history": [0.5, 0.4], "stage_starts": [0]}
    np.savez(target, meta=np.array(json.dumps(facts)), data=np.zeros(3))
    return target.getvalue()


def session_folders(folder: Path) -> list[bytes]:
    """Return session folders as archives: one with an image alone, and one with a result."""
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.fitting.settings import FitSettings
    from napari_deltamic.fitting.state import Intensities, LearnedQuantity
    from napari_deltamic.optics import GaussianPSF
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.psf_choice import MEASURED, PsfChoice, gaussian
    from napari_deltamic.plugin.sessions.files import write_session
    from napari_deltamic.plugin.sessions.saved import (
        ImageFile,
        SavedFit,
        SavedLayer,
        SavedSession,
    )

    mesh, settings, sigma = tetrahedron(), FitSettings(), (0.3, 0.1, 0.1)
    surface = {"vertices": mesh.vertices, "faces": mesh.faces, "labels": mesh.labels}
    options = {"scale": [1.0, 1.0, 1.0], "visible": True}
    image = ImageFile("/nowhere/image.tif", "napari", 0, (0,), "0")
    placed = {"voxels": np.ones((3, 3, 3)), "spacing": sigma, "centre": sigma}
    whole = SavedSession(
        layers=(
            SavedLayer("image", "image", {"data": np.zeros((2, 2, 2))}, options),
            SavedLayer("surface", "mesh", surface, options),
            SavedLayer("image", "elsewhere", {}, options, image),
        ),
        roles={"image": 0, "seed": 1},
        frame=(0,),
        settings=settings,
        psf=PsfChoice(MEASURED, placed),
        marks="membrane",
        fit=SavedFit(mesh, gaussian(sigma), settings, (0,), 1000, 0),
        result=FitResult(
            mesh=mesh,
            loss_history=[0.5],
            stage_starts=[0],
            stop_reason="stopped",
            intensities=Intensities(np.ones(1), np.ones(1), 0.0),
            settings=settings,
            warnings=[],
            psf=GaussianPSF(sigma),
            _render=lambda: np.zeros((2, 2, 2), np.float32),
            optics=[LearnedQuantity("sigma", "um", 0.1, 0.2, 0.01, True, False)],
        ),
        moments=(Moment(1, 0, 0.5, mesh), Moment(2, 0, 0.4, mesh)),
    )
    contents = []
    least = SavedSession(layers=whole.layers[:1])
    for number, session in enumerate((least, whole)):
        place = folder / f"seed-{number}.deltamic"
        write_session(place, session)
        contents.append(_as_archive(place))
    return contents


def autosave_folders() -> list[bytes]:
    """Return folders of fits that were interrupted."""
    facts = {"pid": 1, "began": time.time(), "computer": os.uname().nodename, "image": "ball"}
    running = {"running.json": json.dumps(facts).encode(), "session.json": b"{}"}
    return [packed(running), packed(running | {"checkpoint.npz": _facts()})]


def movie_folders(folder: Path) -> list[bytes]:
    """Return the folder of a movie with one frame."""
    from napari_deltamic.fitting.state import Intensities
    from napari_deltamic.optics import GaussianPSF
    from napari_deltamic.timelapse.results import Division, FrameResult
    from napari_deltamic.timelapse.storage import MovieFolder

    movie = MovieFolder(folder / "seed-movie")
    movie.begin(IDENTITY, False, 0)
    known = Intensities(np.ones(1), np.ones(1), 0.0)
    frame = FrameResult(
        *(0, tetrahedron(), known, 0.5, 3, 1.0, "settled"),
        ratios={1: 1.0},
        divisions=[Division(0, 1, (2, 3))],
    )
    movie.write(frame, "hash", GaussianPSF((0.3, 0.1, 0.1)))
    return [_as_archive(folder / "seed-movie")]


def small_model(upsampling: str = "locality") -> CompressiveModel:
    """Return a compressive model of 16 x 16 voxels and two patterns."""
    from napari_deltamic.compressive import CompressiveModel, CompressiveSettings
    from napari_deltamic.optics import GaussianPSF

    settings = CompressiveSettings(frames=2, binning=8, upsampling=upsampling)
    return CompressiveModel(settings, (1, 16, 16), (1, 1, 1), GaussianPSF((1.0, 0.7, 0.7)))


def model_files(folder: Path) -> list[bytes]:
    """Return files of trained models."""
    from napari_deltamic.compressive import save_model

    contents = []
    for upsampling in ("locality", "transposed"):
        save_model(small_model(upsampling), folder / "seed.pt")
        contents.append((folder / "seed.pt").read_bytes())
    return contents


def small_training() -> tuple[CompressiveModel, torch.optim.Optimizer]:
    """Return a model and what trains it."""
    import torch

    model = small_model()
    return model, torch.optim.Adam(model.parameters())


def training_checkpoints(folder: Path) -> list[bytes]:
    """Return a checkpoint of :func:`small_training`."""
    import torch

    from napari_deltamic.compressive.checkpoint import save_checkpoint
    from napari_deltamic.compressive.progress import Progress
    from napari_deltamic.compressive.state import Epoch

    model, optimiser = small_training()
    progress = Progress(torch.Generator())
    progress.finish(Epoch(1, 0.5, 0.4), model)
    save_checkpoint(folder / "seed.pt", IDENTITY, progress, model, optimiser)
    return [(folder / "seed.pt").read_bytes()]


def tables() -> list[bytes]:
    """Return tables of a batch, and of points."""
    return [
        b"stack,name,psf,label,remesh\na.tif,one,psf.json,both,no\nb.tif,,,,yes\n",
        b'movie,fit_background\n"a.tif",no\n',
        b"z,y,x\n1,2,3\n4.5,-6e1,7\n",
        b"axis-0,axis-1,axis-2,axis-3\n0,1,2,3\n",
        b"1,2,3\n",
    ]


def outcomes(folder: Path) -> list[bytes]:
    """Return the record of an item of a batch."""
    from napari_deltamic.batch.outcome import RECORD, Outcome, write_outcome

    write_outcome(folder, Outcome("one", "done", "", 1.5, 1, "here", task={"command": "fit"}))
    return [(folder / RECORD).read_bytes()]


def _as_archive(folder: Path) -> bytes:
    files = sorted(file for file in folder.rglob("*") if file.is_file())
    kept = [file for file in files if file.suffix != ".csv"]
    return packed({file.relative_to(folder).as_posix(): file.read_bytes() for file in kept})
