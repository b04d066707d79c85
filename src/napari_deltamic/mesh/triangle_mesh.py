"""The triangle mesh that is fitted: vertices in um, and faces with a region on each side."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from napari_deltamic.mesh.topology import edge_use


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """An immutable triangle mesh with two-sided region labels.

    Parameters
    ----------
    vertices
        (V, 3) positions in um, in (z, y, x) order.
    faces
        (F, 3) vertex indices, wound so that the normal (right-hand rule on (z, y, x) components)
        points from region ``labels[:, 0]`` to region ``labels[:, 1]``.
    labels
        (F, 2) regions on the inner and the outer side of each face. Region 0 is the outside.
        Without it every face bounds region 1 against the outside.

    Raises
    ------
    ValueError
        If an array has the wrong shape, a coordinate is not finite, a face names a vertex that
        does not exist or one vertex twice, or a label is negative or the same on both sides.
    """

    vertices: NDArray[np.float64]
    faces: NDArray[np.int64]
    labels: NDArray[np.int64] = field(default=None)  # type: ignore[arg-type]

    def __init__(
        self, vertices: ArrayLike, faces: ArrayLike, labels: ArrayLike | None = None
    ) -> None:
        checked_vertices = _checked_vertices(vertices)
        checked_faces = _checked_faces(faces, len(checked_vertices))
        checked_labels = _checked_labels(labels, len(checked_faces))
        for name, array in (
            ("vertices", checked_vertices),
            ("faces", checked_faces),
            ("labels", checked_labels),
        ):
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __repr__(self) -> str:
        return (
            f"TriangleMesh({len(self.vertices)} vertices, {len(self.faces)} faces, "
            f"{len(self.regions)} regions)"
        )

    @cached_property
    def regions(self) -> NDArray[np.int64]:
        """(R,) the regions that the faces bound, ascending, without the outside."""
        present = np.unique(self.labels)
        return present[present > 0]

    @cached_property
    def face_regions(self) -> NDArray[np.int64]:
        """(F, 2) row of :attr:`regions` on the inner and outer side of each face; -1 outside.

        Labels may be any large numbers: what is counted by region is counted by these.
        """
        rows = np.searchsorted(self.regions, self.labels)
        return np.asarray(np.where(self.labels > 0, rows, -1), dtype=np.int64)

    @property
    def interfaces(self) -> NDArray[np.int64]:
        """(I, 2) the unordered pairs of regions that share faces, each ascending, sorted."""
        return self._interfaces[0]

    @property
    def face_interfaces(self) -> NDArray[np.int64]:
        """(F,) row of :attr:`interfaces` that each face belongs to."""
        return self._interfaces[1]

    @cached_property
    def _interfaces(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        # One number a pair: much faster to sort than pairs, and regions can be any large numbers.
        present = np.unique(self.labels)
        numbers = np.searchsorted(present, self.labels)
        keys = numbers.min(axis=1) * len(present) + numbers.max(axis=1)
        found, inverse = np.unique(keys, return_inverse=True)
        pairs = present[np.stack(np.divmod(found, max(len(present), 1)), axis=1)]
        return pairs, np.asarray(inverse, dtype=np.int64).reshape(-1)

    @cached_property
    def has_contacts(self) -> bool:
        """Whether any two regions share faces."""
        return bool((self.interfaces > 0).all(axis=1).any())

    @cached_property
    def triple_edges(self) -> NDArray[np.int64]:
        """(L, 2) vertex pairs of the edges at which three or more faces meet, each ascending."""
        use = edge_use(self.faces)
        return use.edges[use.face_count >= 3]

    def neighbours(self, region: int) -> NDArray[np.int64]:
        """Return the regions that share faces with one, ascending; 0 if it has outer faces.

        Raises
        ------
        ValueError
            If no face bounds the region.
        """
        pairs = self.interfaces[(self.interfaces == region).any(axis=1)]
        if len(pairs) == 0:
            raise ValueError(f"region: {region} is not one of the mesh's regions {self.regions}")
        return np.unique(pairs[pairs != region])

    def interface_areas(self) -> NDArray[np.float64]:
        """Return (I,) the area of each interface in um^2, in the order of :attr:`interfaces`."""
        _, areas = self.face_normals_and_areas()
        sums = np.bincount(self.face_interfaces, areas, len(self.interfaces))
        return np.asarray(sums, dtype=np.float64)

    def face_normals_and_areas(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return (F, 3) unit normals (zero where the area is) and (F,) areas in um^2."""
        v0, v1, v2 = self.vertices[self.faces].transpose(1, 0, 2)
        cross = np.cross(v1 - v0, v2 - v0)
        length = np.linalg.norm(cross, axis=1)
        return cross / np.where(length > 0, length, 1.0)[:, None], 0.5 * length

    def areas(self) -> NDArray[np.float64]:
        """Return (R,) the surface area of each region in um^2, in the order of :attr:`regions`."""
        _, face_areas = self.face_normals_and_areas()
        return self._sum_over_sides(face_areas, face_areas)

    def volumes(self) -> NDArray[np.float64]:
        """Return (R,) the volume of each region in um^3, in the order of :attr:`regions`.

        By the divergence theorem; exact for a closed region, meaningless for an open one.
        """
        # About the mean vertex, so that meshes far from the origin lose no digits.
        v0, v1, v2 = (self.vertices - self.vertices.mean(axis=0))[self.faces].transpose(1, 0, 2)
        signed = np.einsum("ij,ij->i", v0, np.cross(v1, v2)) / 6.0
        return self._sum_over_sides(signed, -signed)

    def _sum_over_sides(
        self, inside: NDArray[np.float64], outside: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        rows, size = self.face_regions + 1, len(self.regions) + 1
        total = np.bincount(rows[:, 0], inside, size) + np.bincount(rows[:, 1], outside, size)
        return np.asarray(total[1:], dtype=np.float64)

    def region_mesh(self, region: int) -> TriangleMesh:
        """Return the surface of one region as a mesh of its own, wound outwards, labels (1, 0).

        Raises
        ------
        ValueError
            If no face bounds the region.
        """
        inner, outer = (self.labels == region).T
        used = inner | outer
        if region == 0 or not used.any():
            raise ValueError(f"region: {region} is not one of the mesh's regions {self.regions}")
        faces = np.where(outer[:, None], self.faces[:, ::-1], self.faces)[used]
        kept, compact = np.unique(faces, return_inverse=True)
        return TriangleMesh(self.vertices[kept], compact.reshape(-1, 3))

    def open_regions(self) -> NDArray[np.int64]:
        """Return the regions whose surface is not closed and consistently wound (none is sound)."""
        is_open = []
        for region in self.regions:
            inner, outer = (self.labels == region).T
            faces = np.concatenate([self.faces[inner], self.faces[outer][:, ::-1]])
            if not edge_use(faces).balanced:
                is_open.append(region)
        return np.array(is_open, dtype=np.int64)

    @property
    def is_closed(self) -> bool:
        """Whether every region's surface is closed and consistently wound."""
        return len(self.faces) > 0 and len(self.open_regions()) == 0

    def with_vertices(self, vertices: ArrayLike) -> TriangleMesh:
        """Return the same faces and labels on moved vertices, (V, 3) in um."""
        moved = _checked_vertices(vertices)
        if len(moved) != len(self.vertices):
            raise ValueError(f"vertices: expected {len(self.vertices)} as before, got {len(moved)}")
        moved.flags.writeable = False
        # Faces and labels are checked, immutable and shared, with what is known of them.
        result = object.__new__(TriangleMesh)
        result.__dict__.update(self.__dict__, vertices=moved)
        return result


def concatenate(meshes: list[TriangleMesh]) -> TriangleMesh:
    """Join separate surfaces into one mesh; their regions are renumbered 1, 2, 3, ... in turn."""
    vertices, faces, labels = [], [], []
    vertex_count = region_count = 0
    for mesh in meshes:
        renumbered = np.searchsorted(mesh.regions, mesh.labels) + 1 + region_count
        vertices.append(mesh.vertices)
        faces.append(mesh.faces + vertex_count)
        labels.append(np.where(mesh.labels > 0, renumbered, 0))
        vertex_count += len(mesh.vertices)
        region_count += len(mesh.regions)
    if not meshes:
        return TriangleMesh(np.empty((0, 3)), np.empty((0, 3), int))
    return TriangleMesh(np.concatenate(vertices), np.concatenate(faces), np.concatenate(labels))


def _checked_vertices(vertices: ArrayLike) -> NDArray[np.float64]:
    array = np.array(vertices, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] != 3:
        raise ValueError(f"vertices: expected shape (V, 3), got {array.shape}")
    bad = np.flatnonzero(~np.isfinite(array).all(axis=1))
    if len(bad):
        raise ValueError(f"vertices: {len(bad)} are not finite, the first is vertex {bad[0]}")
    return array


def _checked_faces(faces: ArrayLike, vertex_count: int) -> NDArray[np.int64]:
    given = np.asarray(faces)
    if given.ndim != 2 or given.shape[1] != 3:
        raise ValueError(f"faces: expected shape (F, 3), got {given.shape}")
    array = given.astype(np.int64)
    if not np.array_equal(array, given):
        raise ValueError("faces: vertex indices must be whole numbers")
    if array.size and not 0 <= array.min() <= array.max() < vertex_count:
        raise ValueError(
            f"faces: vertex indices must lie in 0..{vertex_count - 1}, "
            f"got {array.min()}..{array.max()}"
        )
    twice = np.flatnonzero((array == np.roll(array, 1, axis=1)).any(axis=1))
    if len(twice):
        raise ValueError(f"faces: face {twice[0]} names one vertex twice: {array[twice[0]]}")
    return array


def _checked_labels(labels: ArrayLike | None, face_count: int) -> NDArray[np.int64]:
    if labels is None:
        return np.tile(np.array([1, 0], dtype=np.int64), (face_count, 1))
    given = np.asarray(labels)
    if given.shape != (face_count, 2):
        raise ValueError(f"labels: expected shape ({face_count}, 2), got {given.shape}")
    array = given.astype(np.int64)
    if not np.array_equal(array, given) or (array.size and array.min() < 0):
        raise ValueError("labels: regions must be whole numbers, 0 (outside) or more")
    same = np.flatnonzero(array[:, 0] == array[:, 1])
    if len(same):
        raise ValueError(
            f"labels: face {same[0]} has region {array[same[0], 0]} on both sides; drop such faces"
        )
    return array
