"""Sphinx configuration: Markdown pages, and the API reference from the docstrings."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel
from sphinx.application import Sphinx

import napari_deltamic

project = "napari-deltamic"
author = "napari-deltamic contributors"
copyright = "2026, napari-deltamic contributors"
release = version = napari_deltamic.__version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"napari-deltamic {release}"

myst_enable_extensions = ["colon_fence", "dollarmath"]
myst_heading_anchors = 3

napoleon_google_docstring = False
# Attributes as a plain list: as entries of their own they would repeat the class's own fields.
napoleon_use_ivar = True
# The signature has the types of arguments; those of the fields would be written in their place.
napoleon_attr_annotations = False
autodoc_member_order = "bysource"
autodoc_default_options = {"exclude-members": "model_config"}
autodoc_typehints_format = "short"
# Without these, signatures spell out numpy's unions.
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "NDArray": "NDArray"}
python_maximum_signature_line_length = 88
# Words in the types of parameters, such as shape, are taken for one of the attributes of that name.
suppress_warnings = ["config.cache", "ref.python"]


def describe_settings(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Write the fields of a settings model from the texts that the docks show as well."""
    if what != "class" or not issubclass(obj, BaseModel):
        return
    for field_name, field in obj.model_fields.items():
        lines += [
            "",
            f"**{field_name}** (default ``{field.default!r}``)",
            f"    {field.description}",
        ]


def shorten_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returned: str
) -> tuple[str, str] | None:
    """Write an alias inside a union by its name, and leave settings to their list of fields."""
    if what == "class" and issubclass(obj, BaseModel):
        return "(**settings)", ""
    if not signature:
        return None
    return re.sub(r"TypeAliasForwardRef\('(\w+)'\)", r"\1", signature), returned


def setup(app: Sphinx) -> None:
    """Connect the hooks."""
    app.connect("autodoc-process-docstring", describe_settings)
    app.connect("autodoc-process-signature", shorten_signature)
