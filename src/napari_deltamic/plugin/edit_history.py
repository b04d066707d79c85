"""The corrections of a mesh, to be undone and done again."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_deltamic.mesh import TriangleMesh

MOST_STEPS = 50
MOST_BYTES = 512 * 1024**2


class EditHistory:
    """A mesh as it was found, and after each correction.

    Parameters
    ----------
    mesh
        As it was found.
    most_steps, most_bytes
        How many corrections are kept, and how much memory all meshes may take; the oldest go
        first, but the last one can always be undone.
    """

    def __init__(
        self, mesh: TriangleMesh, most_steps: int = MOST_STEPS, most_bytes: int = MOST_BYTES
    ) -> None:
        self._meshes = [mesh]
        self._names: list[str] = []
        self._place = 0
        self._found: TriangleMesh | None = mesh
        self._most_steps, self._most_bytes = most_steps, most_bytes

    @property
    def mesh(self) -> TriangleMesh:
        """The mesh as it is now."""
        return self._meshes[self._place]

    @property
    def is_changed(self) -> bool:
        """Whether it is another mesh than was found."""
        return self.mesh is not self._found

    @property
    def undoes(self) -> str:
        """The name of the correction that would be undone, "" for none."""
        return self._names[self._place - 1] if self._place else ""

    @property
    def redoes(self) -> str:
        """The name of the correction that would be done again, "" for none."""
        return self._names[self._place] if self._place < len(self._names) else ""

    def do(self, name: str, mesh: TriangleMesh) -> None:
        """Take a correction up; those that were undone are forgotten."""
        del self._meshes[self._place + 1 :], self._names[self._place :]
        self._meshes.append(mesh)
        self._names.append(name)
        while len(self._names) > 1 and self._is_too_much():
            del self._meshes[0], self._names[0]
        self._place = len(self._names)

    def undo(self) -> TriangleMesh:
        """Go back by one correction, if there is one, and return the mesh."""
        self._place = max(self._place - 1, 0)
        return self.mesh

    def redo(self) -> TriangleMesh:
        """Go forward by one correction, if there is one, and return the mesh."""
        self._place = min(self._place + 1, len(self._names))
        return self.mesh

    def _is_too_much(self) -> bool:
        # Corrections that move vertices share their faces with the mesh before.
        arrays = {
            id(array): array.nbytes
            for mesh in self._meshes
            for array in (mesh.vertices, mesh.faces, mesh.labels)
        }
        return len(self._names) > self._most_steps or sum(arrays.values()) > self._most_bytes
