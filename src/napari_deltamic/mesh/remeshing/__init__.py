"""Isotropic remeshing: one idea a module, from finding lines and junctions to moving vertices."""

from napari_deltamic.mesh.remeshing.driver import remesh, remeshing

__all__ = ["remesh", "remeshing"]
