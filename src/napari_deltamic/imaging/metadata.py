"""Voxel sizes in um, and what TIFF files state of theirs in OME or ImageJ metadata."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

MICROMETRES = {
    "å": 1e-4,
    "angstrom": 1e-4,
    "pm": 1e-6,
    "picometer": 1e-6,
    "picometre": 1e-6,
    "nm": 1e-3,
    "nanometer": 1e-3,
    "nanometre": 1e-3,
    "um": 1.0,
    "micron": 1.0,
    "micrometer": 1.0,
    "micrometre": 1.0,
    "mm": 1e3,
    "millimeter": 1e3,
    "millimetre": 1e3,
    "cm": 1e4,
    "centimeter": 1e4,
    "centimetre": 1e4,
    "m": 1e6,
    "meter": 1e6,
    "metre": 1e6,
    "in": 25400.0,
    "inch": 25400.0,
    "inches": 25400.0,
}
_RESOLUTION_UNIT = {2: "inch", 3: "cm"}


@dataclass(frozen=True)
class VoxelSize:
    """What a file says about its voxel size.

    Attributes
    ----------
    spacing
        (z, y, x) in um; None for an axis of which the file states no usable length.
    found
        A phrase saying what the file holds, for messages.
    """

    spacing: tuple[float | None, float | None, float | None]
    found: str

    @property
    def complete(self) -> tuple[float, float, float] | None:
        """(z, y, x) in um where all three are positive and finite, else None."""
        z, y, x = self.spacing
        if z is None or y is None or x is None:
            return None
        if not all(math.isfinite(length) and length > 0 for length in (z, y, x)):
            return None
        return (z, y, x)


def micrometres(length: float, unit: str) -> float | None:
    """Return a length in um, or None where the unit is not one of length ("pixel", say)."""
    key = _plain(unit).casefold()
    factor = MICROMETRES.get(key, MICROMETRES.get(key.removesuffix("s")))
    return None if factor is None else length * factor


def _plain(unit: str) -> str:
    # Both micro signs, and the escape that ImageJ writes for them into ASCII.
    for micro in ("\\u00B5", "\u00b5", "\u03bc"):
        unit = unit.replace(micro, "u")
    return unit.strip()


def voxel_size(tif: Any, series: int = 0) -> VoxelSize:
    """Return what an open ``tifffile.TiffFile`` says about the voxels of one series."""
    if tif.is_ome and tif.ome_metadata:
        return _from_ome(tif.ome_metadata, series)
    if tif.is_imagej and tif.imagej_metadata is not None:
        return _from_imagej(tif.imagej_metadata, _pixel_lengths(tif))
    y, x = _pixel_lengths(tif)
    tag = tif.pages[0].tags.get("ResolutionUnit")
    unit = _RESOLUTION_UNIT.get(int(tag.value)) if tag is not None else None
    if unit is None or y is None or x is None:
        return VoxelSize((None, None, None), "no OME or ImageJ metadata")
    found = f"no OME or ImageJ metadata, pixels of y {y:.6g}, x {x:.6g} {unit}, no plane distance"
    return VoxelSize((None, micrometres(y, unit), micrometres(x, unit)), found)


def _from_ome(xml: str, series: int) -> VoxelSize:
    try:
        root = ElementTree.fromstring(xml)
    except ElementTree.ParseError:
        return VoxelSize((None, None, None), "OME metadata that is not valid XML")
    images = [element for element in root.iter() if element.tag.rpartition("}")[2] == "Pixels"]
    if series >= len(images):
        return VoxelSize((None, None, None), "OME metadata that does not describe this image")
    lengths, stated = [], []
    for axis in "ZYX":
        text = images[series].get(f"PhysicalSize{axis}")
        unit = images[series].get(f"PhysicalSize{axis}Unit", "um")
        length = _number(text)
        lengths.append(None if length is None else micrometres(length, unit))
        if text is not None:
            stated.append(f"{axis.lower()} {text} {_plain(unit)}")
    found = "OME metadata with " + (", ".join(stated) or "no physical size")
    return VoxelSize((lengths[0], lengths[1], lengths[2]), found)


def _from_imagej(metadata: dict[str, Any], pixels: tuple[float | None, float | None]) -> VoxelSize:
    unit = str(metadata.get("unit", "pixel"))
    units = (str(metadata.get("zunit", unit)), str(metadata.get("yunit", unit)), unit)
    given = (_number(metadata.get("spacing")), *pixels)
    lengths, stated = [], []
    for axis, length, own_unit in zip("zyx", given, units, strict=True):
        lengths.append(None if length is None else micrometres(length, own_unit))
        if length is not None:
            stated.append(f"{axis} {length:.6g} {_plain(own_unit)}")
    found = "ImageJ metadata with " + (", ".join(stated) or "no voxel size")
    return VoxelSize((lengths[0], lengths[1], lengths[2]), found)


def _pixel_lengths(tif: Any) -> tuple[float | None, float | None]:
    """Return the size of a pixel along y and x, in the file's unit, from pixels per unit."""
    lengths: list[float | None] = []
    for name in ("YResolution", "XResolution"):
        tag = tif.pages[0].tags.get(name)
        if tag is None:
            lengths.append(None)
            continue
        pixels, units = tag.value
        # A resolution of zero is kept as a length of zero, which the reader refuses by name.
        lengths.append(units / pixels if pixels else 0.0)
    return lengths[0], lengths[1]


def _number(text: object) -> float | None:
    try:
        return float(str(text)) if text is not None else None
    except ValueError:
        return None
