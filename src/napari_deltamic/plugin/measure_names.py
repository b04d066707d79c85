"""How measures are called, and how their numbers are written."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

_UNITS = {
    "volume": "µm³",
    "area": "µm²",
    "free_area": "µm²",
    "mean_curvature": "1/µm",
    "perimeter": "µm",
    "length": "µm",
    "standard_error": "µm",
    "intensity": "per µm³",
    "brightness": "per µm²",
}
_TITLES = {
    "region": "Cell",
    "region_a": "Cell a",
    "region_b": "Cell b",
    "region_c": "Cell c",
    "mean_curvature": "Mean curvature",
    "free_area": "Free area",
    "neighbours": "Neighbours",
}
_TIPS = {
    "sphericity": "Area of the ball of equal volume over the area: 1 for a ball",
    "free_area": "Of the surface that touches no other cell",
    "area": "Of the whole surface, contacts included; of a contact, its own",
    "neighbours": "How many cells it touches",
    "pieces": "Of how many separate patches the contact consists",
    "perimeter": "Length of the contact's rim",
    "intensity": "Brightness of the inside, in the image's units",
    "brightness": "Brightness of the membrane, in the image's units",
    "length": "Of the line along which the cells meet",
}
_DIGITS = 4
NOTHING = "–"


def is_shown(column: str) -> bool:
    """Return whether a table on the screen shows a column; files hold all of them."""
    return re.fullmatch(r"axis_\d_[zyx]|face_angle_.", column) is None


def is_region(column: str) -> bool:
    """Return whether a column holds the numbers of regions."""
    return re.fullmatch(r"region(_[a-z])?", column) is not None


def title_of(column: str) -> str:
    """Return what a column is called, without its unit."""
    if column.endswith("_error") and column != "standard_error":
        return f"± {title_of(column.removesuffix('_error')).lower()}"
    if match := re.fullmatch(r"centroid_([zyx])", column):
        return f"Centre {match[1]}"
    if match := re.fullmatch(r"angle(_spread)?_([a-z])", column):
        return f"Angle {match[2]}{' spread' if match[1] else ''}"
    return _TITLES.get(column, column.replace("_", " ").capitalize())


def unit_of(column: str) -> str:
    """Return the unit of a column; "" if it has none."""
    if column.startswith(("centroid_", "semi_axis_")):
        return "µm"
    if column.startswith("angle_"):
        return "°"
    if column.endswith("_error") and column != "standard_error":
        return unit_of(column.removesuffix("_error"))
    return _UNITS.get(column, "")


def header_of(column: str) -> str:
    """Return the title with the unit on a second line."""
    unit = unit_of(column)
    return f"{title_of(column)}\n({unit})" if unit else title_of(column)


def tip_of(column: str) -> str:
    """Return what a column means."""
    if column.endswith("_error") and column != "standard_error":
        return f"Standard error of the {title_of(column.removesuffix('_error')).lower()}"
    if column.startswith("semi_axis_"):
        return "Of the ellipsoid with the same second moments, the longest first"
    if column.startswith("angle_spread_"):
        return "Standard deviation of the angle along the line"
    if column.startswith("angle_"):
        return "Mean opening of the cell at the line"
    return _TIPS.get(column, "")


def decimals_of(values: Sequence[float]) -> int:
    """Return how many decimals show a column's largest number with four digits."""
    finite = [abs(value) for value in values if math.isfinite(value)]
    if not finite or all(value == round(value) for value in finite):
        return 0
    return min(max(_DIGITS - 1 - math.floor(math.log10(max(finite))), 0), 6)


def text_of(column: str, value: float, decimals: int) -> str:
    """Return a number as a table shows it."""
    if not math.isfinite(value):
        return NOTHING
    if is_region(column):
        return str(int(value)) if value else "outside"
    return f"{value:.{decimals}f}"


def short_text_of(value: float) -> str:
    """Return a number alone, to three digits."""
    return f"{value:.3g}"
