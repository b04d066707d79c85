"""The closed surface of every cell of a mesh, so that cells can be coloured and moved apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh import TriangleMesh
from napari_deltamic.plugin.mesh_layers import split_surface


@dataclass(frozen=True, eq=False)
class CellSurfaces:
    """A mesh in which each cell has its own copy of its contacts, wound outwards.

    Where contacts end vertices are copied too, so that each contact can have its own colour.

    Attributes
    ----------
    mesh
        What it was made from.
    vertex_of
        (W,) the mesh's vertex that each vertex is.
    faces
        (G, 3) in these vertices.
    face_of
        (G,) the mesh's face that each face is.
    face_regions
        (G,) the region that each face bounds.
    vertex_regions, vertex_interfaces
        (W,) the region and the interface (index into ``mesh.interfaces``) of each vertex.
    """

    mesh: TriangleMesh
    vertex_of: NDArray[np.int64]
    faces: NDArray[np.int64]
    face_of: NDArray[np.int64]
    face_regions: NDArray[np.int64]
    vertex_regions: NDArray[np.int64]
    vertex_interfaces: NDArray[np.int64]

    @property
    def face_interfaces(self) -> NDArray[np.int64]:
        """(G,) the interface that each face belongs to."""
        return np.asarray(self.mesh.face_interfaces[self.face_of])

    def shifts(self, separation: float) -> NDArray[np.float64]:
        """Return (R, 3) how far each region moves, away from the middle of all; 0 is not at all."""
        centers = np.zeros((len(self.mesh.regions), 3))
        rows = np.searchsorted(self.mesh.regions, self.vertex_regions)
        count = np.maximum(np.bincount(rows, minlength=len(centers)), 1)
        for axis in range(3):
            heights = self.mesh.vertices[self.vertex_of, axis]
            centers[:, axis] = np.bincount(rows, heights, len(centers)) / count
        return separation * (centers - centers.mean(axis=0))

    def vertices(self, separation: float = 0.0) -> NDArray[np.float32]:
        """Return (W, 3) positions in um, of cells moved apart by so many of their distances."""
        rows = np.searchsorted(self.mesh.regions, self.vertex_regions)
        moved = self.mesh.vertices[self.vertex_of] + self.shifts(separation)[rows]
        return moved.astype(np.float32)

    def of_regions(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return (W,) values of (R,) regions, in the order of ``mesh.regions``."""
        rows = np.searchsorted(self.mesh.regions, self.vertex_regions)
        return np.asarray(values, dtype=np.float64)[rows]

    def of_interfaces(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return (W,) values of (I,) interfaces, in the order of ``mesh.interfaces``."""
        return np.asarray(values, dtype=np.float64)[self.vertex_interfaces]

    def of_vertices(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return (W,) values of the mesh's (V,) vertices."""
        return np.asarray(values, dtype=np.float64)[self.vertex_of]

    def of_faces(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return (W,) means of the values of the mesh's (F,) faces round each vertex."""
        corners = self.faces.ravel()
        each = np.repeat(np.asarray(values, dtype=np.float64)[self.face_of], 3)
        count = np.maximum(np.bincount(corners, minlength=len(self.vertex_of)), 1)
        return np.asarray(np.bincount(corners, each, len(self.vertex_of)) / count)


def cell_surfaces(mesh: TriangleMesh) -> CellSurfaces:
    """Return the closed surfaces of the regions of a mesh."""
    face_of, side = np.nonzero(mesh.labels > 0)
    regions = mesh.labels[face_of, side]
    faces = mesh.faces[face_of]
    faces[side == 1] = faces[side == 1, ::-1]
    interfaces = mesh.face_interfaces[face_of]
    split = split_surface(faces, regions * max(len(mesh.interfaces), 1) + interfaces)
    vertex_regions = np.zeros(len(split.vertex_of), dtype=np.int64)
    vertex_interfaces = np.zeros(len(split.vertex_of), dtype=np.int64)
    vertex_regions[split.faces] = regions[:, None]
    vertex_interfaces[split.faces] = interfaces[:, None]
    return CellSurfaces(
        mesh, split.vertex_of, split.faces, face_of, regions, vertex_regions, vertex_interfaces
    )
