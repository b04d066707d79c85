import numpy as np

from napari_deltamic.mesh.laplacian import graph_laplacian
from napari_deltamic.mesh.shapes import icosphere
from napari_deltamic.mesh.triangle_mesh import TriangleMesh


def test_tetrahedron_by_hand() -> None:
    mesh = TriangleMesh(np.eye(4, 3), [[0, 1, 2], [0, 3, 1], [1, 3, 2], [2, 3, 0]])
    np.testing.assert_array_equal(graph_laplacian(mesh).toarray(), 4 * np.eye(4) - 1)


def test_an_edge_of_three_faces_counts_once() -> None:
    # Three faces fan out from edge 0-1; vertex 5 is used by no face.
    vertices = np.random.default_rng(0).normal(size=(6, 3))
    mesh = TriangleMesh(vertices, [[0, 1, 2], [0, 1, 3], [0, 1, 4]])
    laplacian = graph_laplacian(mesh)
    np.testing.assert_array_equal(laplacian.diagonal(), [4, 4, 2, 2, 2, 0])
    assert laplacian[0, 1] == -1
    assert laplacian[2, 3] == 0


def test_is_symmetric_and_only_constants_have_no_energy() -> None:
    laplacian = graph_laplacian(icosphere((0, 0, 0), 2.0, 1)).toarray()
    np.testing.assert_array_equal(laplacian, laplacian.T)
    eigenvalues = np.linalg.eigvalsh(laplacian)
    assert abs(eigenvalues[0]) < 1e-12
    assert eigenvalues[1] > 0.1
    np.testing.assert_allclose(laplacian.sum(axis=1), 0.0, atol=1e-12)
