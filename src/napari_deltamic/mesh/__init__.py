"""What is fitted: triangle meshes with two-sided region labels.

Names other than the mesh itself load their module on first use, so that importing this package
brings in numpy only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from napari_deltamic.mesh.triangle_mesh import TriangleMesh, concatenate

if TYPE_CHECKING:
    from napari_deltamic.mesh.agreement import best_boundary_offset as best_boundary_offset
    from napari_deltamic.mesh.agreement import dice_scores as dice_scores
    from napari_deltamic.mesh.agreement import variation_of_information as variation_of_information
    from napari_deltamic.mesh.agreement import with_boundary_offset as with_boundary_offset
    from napari_deltamic.mesh.bubbles import cut_ball as cut_ball
    from napari_deltamic.mesh.bubbles import double_bubble as double_bubble
    from napari_deltamic.mesh.closing import closed as closed
    from napari_deltamic.mesh.consistency import inconsistencies as inconsistencies
    from napari_deltamic.mesh.contacts import ContactMeasures as ContactMeasures
    from napari_deltamic.mesh.contacts import contacts_table as contacts_table
    from napari_deltamic.mesh.contacts import measure_contacts as measure_contacts
    from napari_deltamic.mesh.curvature import face_curvature as face_curvature
    from napari_deltamic.mesh.curvature import vertex_curvature as vertex_curvature
    from napari_deltamic.mesh.distance import mean_surface_distance as mean_surface_distance
    from napari_deltamic.mesh.distance import sample_surface as sample_surface
    from napari_deltamic.mesh.distance import surface_distance as surface_distance
    from napari_deltamic.mesh.editing import add_region as add_region
    from napari_deltamic.mesh.editing import delete_region as delete_region
    from napari_deltamic.mesh.editing import free_radius as free_radius
    from napari_deltamic.mesh.editing import merge_regions as merge_regions
    from napari_deltamic.mesh.files import read_mesh as read_mesh
    from napari_deltamic.mesh.files import write_mesh as write_mesh
    from napari_deltamic.mesh.gradients import area_gradient as area_gradient
    from napari_deltamic.mesh.gradients import centroid_gradient as centroid_gradient
    from napari_deltamic.mesh.gradients import volume_gradient as volume_gradient
    from napari_deltamic.mesh.intersection import self_intersections as self_intersections
    from napari_deltamic.mesh.junctions import JunctionMeasures as JunctionMeasures
    from napari_deltamic.mesh.junctions import MeetingPoint as MeetingPoint
    from napari_deltamic.mesh.junctions import junctions_table as junctions_table
    from napari_deltamic.mesh.junctions import measure_junctions as measure_junctions
    from napari_deltamic.mesh.junctions import meeting_points as meeting_points
    from napari_deltamic.mesh.laplacian import graph_laplacian as graph_laplacian
    from napari_deltamic.mesh.measure_files import write_measure_tables as write_measure_tables
    from napari_deltamic.mesh.measures import RegionMeasures as RegionMeasures
    from napari_deltamic.mesh.measures import measure as measure
    from napari_deltamic.mesh.measures import measures_table as measures_table
    from napari_deltamic.mesh.measures import write_measures_csv as write_measures_csv
    from napari_deltamic.mesh.moving import drag as drag
    from napari_deltamic.mesh.moving import smooth_region as smooth_region
    from napari_deltamic.mesh.orientation import oriented_outwards as oriented_outwards
    from napari_deltamic.mesh.remeshing import remesh as remesh
    from napari_deltamic.mesh.repainting import repainted as repainted
    from napari_deltamic.mesh.section import plane_section as plane_section
    from napari_deltamic.mesh.section import plane_sections as plane_sections
    from napari_deltamic.mesh.seeds import seed_from_labels as seed_from_labels
    from napari_deltamic.mesh.seeds import seed_spheres as seed_spheres
    from napari_deltamic.mesh.shapes import box as box
    from napari_deltamic.mesh.shapes import box_grid as box_grid
    from napari_deltamic.mesh.shapes import bumpy_sphere as bumpy_sphere
    from napari_deltamic.mesh.shapes import dumbbell as dumbbell
    from napari_deltamic.mesh.shapes import ellipsoid as ellipsoid
    from napari_deltamic.mesh.shapes import icosphere as icosphere
    from napari_deltamic.mesh.splitting import split_region as split_region
    from napari_deltamic.mesh.tables import write_table_csv as write_table_csv
    from napari_deltamic.mesh.voxels import voxelise as voxelise

_MODULE_OF = {
    "best_boundary_offset": "agreement",
    "dice_scores": "agreement",
    "variation_of_information": "agreement",
    "with_boundary_offset": "agreement",
    "cut_ball": "bubbles",
    "double_bubble": "bubbles",
    "closed": "closing",
    "inconsistencies": "consistency",
    "ContactMeasures": "contacts",
    "contacts_table": "contacts",
    "measure_contacts": "contacts",
    "face_curvature": "curvature",
    "vertex_curvature": "curvature",
    "mean_surface_distance": "distance",
    "sample_surface": "distance",
    "surface_distance": "distance",
    "add_region": "editing",
    "delete_region": "editing",
    "free_radius": "editing",
    "merge_regions": "editing",
    "read_mesh": "files",
    "write_mesh": "files",
    "area_gradient": "gradients",
    "centroid_gradient": "gradients",
    "volume_gradient": "gradients",
    "self_intersections": "intersection",
    "JunctionMeasures": "junctions",
    "MeetingPoint": "junctions",
    "junctions_table": "junctions",
    "measure_junctions": "junctions",
    "meeting_points": "junctions",
    "graph_laplacian": "laplacian",
    "write_measure_tables": "measure_files",
    "RegionMeasures": "measures",
    "measure": "measures",
    "measures_table": "measures",
    "write_measures_csv": "measures",
    "drag": "moving",
    "smooth_region": "moving",
    "oriented_outwards": "orientation",
    "remesh": "remeshing",
    "repainted": "repainting",
    "plane_section": "section",
    "plane_sections": "section",
    "seed_from_labels": "seeds",
    "seed_spheres": "seeds",
    "box": "shapes",
    "box_grid": "shapes",
    "bumpy_sphere": "shapes",
    "dumbbell": "shapes",
    "ellipsoid": "shapes",
    "icosphere": "shapes",
    "split_region": "splitting",
    "write_table_csv": "tables",
    "voxelise": "voxels",
}

__all__ = ["TriangleMesh", "concatenate", *_MODULE_OF]


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
