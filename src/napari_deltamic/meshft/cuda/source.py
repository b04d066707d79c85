"""The CUDA source of each purpose, and what must be defined to compile it."""

from __future__ import annotations

from importlib.resources import files
from typing import NamedTuple

_REAL = {"float32": "float", "float64": "double"}
_PARTS = {
    "transform": (
        "common.cuh",
        "complex.cuh",
        "points.cuh",
        "spread.cu",
        "band.cu",
        "gather.cu",
        "vertices.cu",
    ),
    "direct": ("common.cuh", "complex.cuh", "direct.cu", "vertices.cu"),
    "sparse": ("common.cuh", "sparse.cu"),
}

KERNELS = {
    "transform": (
        "cut_faces",
        "place_points",
        "spread",
        "settle",
        "band_of_grid",
        "grid_of_band",
        "gather",
        "face_gradients",
        "vertex_sums",
    ),
    "direct": ("direct_modes", "direct_field", "vertex_sums"),
    "sparse": ("multiply_rows", "chebyshev_step"),
}
"""Names of the kernels of each purpose."""


class Module(NamedTuple):
    """Kernels that are compiled together."""

    purpose: str
    """A key of :data:`KERNELS`."""
    macros: tuple[tuple[str, str], ...] = ()
    """What to define, and as what."""


SPARSE = Module("sparse")


def transform_module(dtype: str, width: int, terms: int) -> Module:
    """Return the fast transform for float32 or float64, a spreading width and its coefficients."""
    return Module(
        "transform", (("REAL", _REAL[dtype]), ("WIDTH", str(width)), ("TERMS", str(terms)))
    )


def direct_module(dtype: str) -> Module:
    """Return the closed-form transform for float32 or float64."""
    return Module("direct", (("REAL", _REAL[dtype]),))


def kernel_source(purpose: str) -> str:
    """Return the kernels of one purpose as one source."""
    folder = files("napari_deltamic.meshft.cuda") / "kernels"
    # Joined, not included: then a compiler's cache sees every change.
    return "\n".join((folder / part).read_text(encoding="utf-8") for part in _PARTS[purpose])
