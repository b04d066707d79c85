"""The CUDA source of the transform, and what must be defined to compile it."""

from __future__ import annotations

from importlib.resources import files

_PARTS = ("common.cuh", "spread.cu", "band.cu", "gather.cu", "direct.cu", "sparse.cu")
_REAL = {"float32": "float", "float64": "double"}

KERNELS = (
    "cut_faces",
    "place_points",
    "spread",
    "settle",
    "band_of_grid",
    "grid_of_band",
    "gather",
    "face_gradients",
    "vertex_sums",
    "direct_modes",
    "direct_gradients",
    "multiply_rows",
    "chebyshev_step",
)
"""Names of the kernels in the source."""


def kernel_source() -> str:
    """Return all kernels as one source."""
    folder = files("napari_deltamic.meshft.cuda") / "kernels"
    # Joined, not included: then a compiler's cache sees every change.
    return "\n".join((folder / part).read_text(encoding="utf-8") for part in _PARTS)


def macros(dtype: str, width: int, terms: int) -> dict[str, str]:
    """Return what to define: float32 or float64, the kernel's width and its coefficients."""
    return {"REAL": _REAL[dtype], "WIDTH": str(width), "TERMS": str(terms)}
