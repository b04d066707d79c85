"""The choices a training depends on, with the texts that the docks and the command line show."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
PatternKind = Literal["learned", "fourier", "random", "hadamard", "uniform"]


class CompressiveSettings(BaseModel):
    """Settings of a compressed acquisition and of its training; immutable."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patterns: PatternKind = Field(
        "learned",
        title="Patterns",
        description="Learned voxel by voxel or in Fourier space; or fixed: random, Hadamard, "
        "uniform light.",
    )
    frames: int = Field(
        4,
        ge=1,
        le=64,
        title="Frames per plane",
        description="How many patterns T are shown; compression is the binning squared over T.",
    )
    binning: int = Field(
        8,
        ge=1,
        title="Binning",
        description="Voxels d along each side of a camera pixel.",
    )
    upsampling: Literal["locality", "transposed"] = Field(
        "locality",
        title="Upsampling",
        description="From frames to an image: a linear map for each camera pixel, or one for all "
        "(a transposed convolution). A small network follows.",
    )
    loss: Literal["l1", "ssim"] = Field(
        "l1", title="Loss", description="Mean absolute error, or one minus structural similarity."
    )
    photons: PositiveFloat | None = Field(
        None,
        title="Photons per voxel",
        description="Dose of the whole acquisition: the mean over voxels that the same light would "
        "give at full sampling. None leaves out all noise.",
    )
    read_noise: float = Field(
        0.0,
        ge=0,
        allow_inf_nan=False,
        title="Read noise (photons)",
        description="Standard deviation of the camera's read-out, for each pixel and frame.",
    )
    epochs: int = Field(40, ge=1, title="Epochs", description="Rounds of training at most.")
    steps_per_epoch: int = Field(
        30, ge=1, title="Steps per epoch", description="Between two looks at the validation data."
    )
    batch_size: int = Field(8, ge=1, title="Batch size", description="Patches for each step.")
    learning_rate: PositiveFloat = Field(
        5e-3, title="Learning rate", description="Adam's, at its highest; it falls to zero."
    )
    patience: int = Field(
        12,
        ge=1,
        title="Patience",
        description="Training ends when the validation loss has not improved in so many epochs.",
    )
    seed: int = Field(
        0, ge=0, title="Seed", description="Of all random numbers: one seed, one result."
    )
