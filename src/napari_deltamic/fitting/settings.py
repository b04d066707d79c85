"""The choices a fit depends on, with the texts that the docks and the command line show."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _split(names: Any) -> Any:
    """Return names one by one, also from text in which commas or spaces part them."""
    texts = [names] if isinstance(names, str) else names
    if not isinstance(texts, list | tuple) or not all(isinstance(text, str) for text in texts):
        return names
    # Each once, in their order.
    return tuple(dict.fromkeys(" ".join(texts).replace(",", " ").split()))


Names = Annotated[tuple[str, ...], BeforeValidator(_split)]


class FitSettings(BaseModel):
    """Settings of a fit; immutable, and written beside every result.

    The defaults suit an isolated object of 20 to 200 voxels across.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    label: Literal["membrane", "interior", "both"] = Field(
        "membrane",
        title="Label",
        description="What the dye marks: the surface, what the surface encloses, or both.",
    )
    noise: Literal["gaussian", "poisson"] = Field(
        "gaussian",
        title="Noise",
        description="Gaussian weighs every voxel alike and is fastest; Poisson weighs dim voxels "
        "as photon counting does, and needs data without an offset.",
    )
    edge_length: PositiveFloat | None = Field(
        None,
        title="Edge length (µm)",
        description="Length of the mesh's edges in the last stage; by default what the PSF "
        "resolves, at least 1.25 voxels.",
    )
    stages: int = Field(
        4,
        ge=1,
        le=12,
        title="Stages",
        description="Steps from the coarsest to the finest detail. More is slower and finds the "
        "shape from farther away.",
    )
    max_iterations: int = Field(
        250,
        ge=1,
        title="Iterations per stage",
        description="A stage that has not settled by then moves on all the same. With remeshing, "
        "half of them come before and half after the mesh is renewed.",
    )
    tolerance: PositiveFloat = Field(
        1e-3,
        title="Plateau",
        description="The last stage ends when the loss falls by less than this fraction of what "
        "is not noise in ten iterations; earlier stages at ten times that.",
    )
    smoothing: PositiveFloat = Field(
        0.75,
        le=10,
        title="Smoothing of steps",
        description="How far a vertex carries its neighbours along, in units of the finest detail "
        "that the stage resolves.",
    )
    remesh: bool = Field(
        True,
        title="Remesh",
        description="Renew the triangles as the detail grows. Without it the faces stay as given.",
    )
    fit_background: bool = Field(
        True,
        title="Fit background",
        description="Solve for one constant background; otherwise it is zero.",
    )
    fit_attenuation: bool = Field(
        False,
        title="Fit attenuation",
        description="Learn how much of the light is lost with depth; for stacks whose deeper "
        "planes (larger z) are dimmer.",
    )
    learn: Names = Field(
        (),
        title="Learn optics",
        description="Quantities of the PSF that are fitted too once the shape has settled, such as "
        "sigma, na or zernike. Each stays near the value given where the image says no more.",
    )
    standard_errors: bool = Field(
        False,
        title="Standard errors",
        description="Work out how certain vertices, volumes, areas and brightness are, once the "
        "fit has settled. For a large embryo that takes about as long as the fit.",
    )
    backend: Literal["auto", "cpu", "cuda"] = Field(
        "auto", title="Backend", description="What computes the mesh Fourier transform."
    )
