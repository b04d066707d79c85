"""The mesh Fourier transform: from triangles to the modes of the density they carry."""

from napari_deltamic.meshft.exact import exact_transform
from napari_deltamic.meshft.transform import MeshFourierTransform

__all__ = ["MeshFourierTransform", "exact_transform"]
