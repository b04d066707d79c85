"""What a fit found as tables: measures, brightness, and how certain they are."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_deltamic.fitting.state import FitResult, Intensities
from napari_deltamic.mesh import write_measure_tables

Columns = dict[str, NDArray[np.float64]]


def result_columns(result: FitResult) -> tuple[Columns, Columns]:
    """Return what tables of regions and of contacts get besides the mesh's own measures.

    Parameters
    ----------
    result
        Of a fit.

    Returns
    -------
    dict, dict
        (R,) and (I,) numbers by the column's name: intensity per um^3 and brightness per um^2, as
        far as they were fitted, and standard errors where they are known.
    """
    light, errors = result.intensities, result.errors
    regions, contacts = light_columns(light)
    if errors is not None:
        regions |= {"volume_error": errors.volumes, "area_error": errors.areas}
        contacts |= {"area_error": errors.interface_areas}
        if len(light.interior):
            regions["intensity_error"] = errors.intensities.interior
        if len(light.membrane):
            contacts["brightness_error"] = errors.intensities.membrane
    return regions, contacts


def light_columns(light: Intensities) -> tuple[Columns, Columns]:
    """Return brightness as far as it was fitted: (R,) per um^3, and (I,) per um^2."""
    regions: Columns = {"intensity": light.interior} if len(light.interior) else {}
    contacts: Columns = {"brightness": light.membrane} if len(light.membrane) else {}
    return regions, contacts


def write_result_tables(directory: str | os.PathLike[str], result: FitResult) -> list[Path]:
    """Write measures.csv and, where regions touch, contacts.csv and junctions.csv.

    Parameters
    ----------
    directory
        An existing folder; files of these names in it are replaced.
    result
        Of a fit.

    Returns
    -------
    list of Path
        The files written.
    """
    regions, contacts = result_columns(result)
    return write_measure_tables(
        directory, result.mesh, region_columns=regions, contact_columns=contacts
    )
