"""What a session folder holds, as plain data: no Qt, no viewer."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from numpy.typing import NDArray

from napari_deltamic.fitting.settings import FitSettings

if TYPE_CHECKING:
    from napari_deltamic.fitting import FitResult
    from napari_deltamic.mesh import TriangleMesh
    from napari_deltamic.plugin.history import Moment
    from napari_deltamic.plugin.psf_choice import PsfChoice
    from napari_deltamic.plugin.suggestions import Marks

Kind = Literal["image", "labels", "points", "surface"]
# What a layer was: the image chosen, the image that was fitted, the chosen mesh, the fitted one.
IMAGE, FIT_IMAGE, SEED, FITTED = "image", "fit image", "seed", "fitted"


class ImageFile(NamedTuple):
    """A file that gives a layer's data again.

    Attributes
    ----------
    path
        Where it is.
    reader
        Name of the plugin that read it.
    item
        Which of the layers that this reader makes of it, from 0.
    frame, digest
        One of its stacks, and what tells that from others.
    """

    path: str
    reader: str
    item: int
    frame: tuple[int, ...]
    digest: str


@dataclass(frozen=True, eq=False)
class SavedLayer:
    """One layer of a viewer.

    Attributes
    ----------
    kind, name
        Its type and its name.
    arrays
        By name: ``data`` of an image, of labels or points; ``vertices`` and ``faces`` of a surface,
        with ``labels`` and ``vertex_of`` where its regions are known.
    options
        Arguments of the layer's constructor, of numbers, texts and lists of them.
    file
        Where ``data`` can be read, if they are not in ``arrays``.
    """

    kind: Kind
    name: str
    arrays: dict[str, NDArray[Any]]
    options: dict[str, Any]
    file: ImageFile | None = None


@dataclass(frozen=True, eq=False)
class SavedFit:
    """What a fit was given besides its image: enough to run it again, or to go on with it.

    Attributes
    ----------
    mesh, psf, settings
        As they were given.
    frame
        Which frame and channel of the image it was of.
    whole_up_to
        Voxels; of a larger image only what lies around the mesh was fitted.
    first_stage
        The stage that it began with, from 0.
    """

    mesh: TriangleMesh
    psf: PsfChoice
    settings: FitSettings
    frame: tuple[int, ...]
    whole_up_to: int
    first_stage: int


@dataclass(frozen=True, eq=False)
class SavedSession:
    """A session.

    Attributes
    ----------
    layers
        From the lowest to the uppermost.
    roles
        Which layer was what.
    frame
        Index of the shown frame and channel, one for each of the image's axes before z.
    settings, psf
        Those of the next fit; None takes a PSF of one voxel.
    marks
        What the user said, or agreed, that the dye marks.
    fit
        What the last fit was given.
    result
        What it gave.
    result_origin
        Where the result's first voxel lies, in um: of a large image only a part is fitted.
    moments
        What it went through; only their meshes are kept.
    movie_folder
        Where the frames of a fitted movie are; "" if they were in memory only, None for no movie.
    versions
        Of this package and of what it rests on, when the session was saved.
    """

    layers: tuple[SavedLayer, ...] = ()
    roles: dict[str, int] = field(default_factory=dict)
    frame: tuple[int, ...] = ()
    settings: FitSettings = field(default_factory=FitSettings)
    psf: PsfChoice | None = None
    marks: Marks | None = None
    fit: SavedFit | None = None
    result: FitResult | None = None
    result_origin: tuple[float, ...] = (0.0, 0.0, 0.0)
    moments: tuple[Moment, ...] = ()
    movie_folder: str | None = None
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def image(self) -> SavedLayer | None:
        """The layer that was worked on."""
        place = self.roles.get(IMAGE)
        return None if place is None else self.layers[place]
