"""Real stacks and meshes: read from a data folder, some downloaded on demand."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

DATA_VARIABLE = "NAPARI_DELTAMIC_DATA"


@dataclass(frozen=True)
class Dataset:
    """A public file, where it comes from and what it must hash to.

    Attributes
    ----------
    name
        File name in the data folder.
    sha256
        Of that file.
    source, licence
        Where it was published, and under which terms.
    spacing
        (z, y, x) in um, or None where it is unknown or the file is a mesh.
    url, url_sha256
        Where the original can be downloaded and its own hash; None where it is not a file on its
        own that reads as it is.
    """

    name: str
    sha256: str
    source: str
    licence: str
    spacing: tuple[float, float, float] | None = None
    url: str | None = None
    url_sha256: str | None = None


_GITHUB = "https://github.com/"
_RAW = "https://raw.githubusercontent.com/"
_QCANET = f"{_GITHUB}funalab/QCANet, commit d047df5f, example_datasets"
_QCANET_LICENCE = "MIT; images by Yamagata Lab., Kindai University"
_PLANT_SEG = f"{_GITHUB}kreshuklab/plant-seg, commit 9d748063, tests/resources/sample_ovule.h5"
_BRANCHOID_SHA256 = "caed47c49b34324d1cf3c55f909475a3468071322eea989ab53cf027502f4e78"

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "celegans_dub_t33_membrane.tif",
            "3c3efbcf8ec5087e818920ab21e523a8b6c5b7477c5bb2f04c7afe5b4a5f6ae0",
            f"{_GITHUB}NicoKiaru/LimeSeg, commit 8288e2e5, "
            "src/main/resources/images/Dub-WilliamMohler-Tp33-Half.zip",
            "CC0 1.0; William Mohler, LOCI sample data",
        ),
        Dataset(
            "mouse_embryo_nuclei_8cell.tif",
            "7e600051bbf93abd947fdf1dca12b369f35aca8947b292d6f323d08e8000e935",
            _QCANET,
            _QCANET_LICENCE,
            (1.75, 0.8, 0.8),
        ),
        Dataset(
            "mouse_embryo_nuclei_8cell_labels.tif",
            "1ee0aeaf58f8e1d549ed5a4d0ff4a43d697fc3b8ced9b98c21c5daf77890a144",
            _QCANET,
            _QCANET_LICENCE,
            (1.75, 0.8, 0.8),
        ),
        Dataset(
            "ovule_membrane.tif",
            "b2955f33df3281bf22ae71f58f6aaa341194ff6d2951da7375b80c8f6acfe8b4",
            _PLANT_SEG,
            "MIT",
            (0.235, 0.15, 0.15),
        ),
        Dataset(
            "ovule_membrane_labels.tif",
            "91d8dc853623744f745c44dd4727340bf144ed9192f03c746fca6e4af7dba797",
            _PLANT_SEG,
            "MIT",
            (0.235, 0.15, 0.15),
        ),
        Dataset(
            "drosophila_embryo_caax_tiny.tif",
            "f732ccc9c8ff2ae3d1caa335cffa03a9bae295400bd39208aa20be466cc59bf1",
            f"{_GITHUB}nikolas-claussen/blender-tissue-cartography, commit 78400a12",
            "Apache-2.0",
            (4.2, 4.2, 4.2),
        ),
        Dataset(
            "droplet_timelapse_21frames.tif",
            "87a35f624281dff83eb48ccabbac382470a31e3827c005d35e17a944391d40c1",
            f"{_GITHUB}campaslab/napari-stress, src/napari_stress/_sample_data",
            "BSD-3-Clause",
            url=f"{_RAW}campaslab/napari-stress/82e1981187b3515420b9c3d6d4abf6100107749e/"
            "src/napari_stress/_sample_data/ExampleTifSequence.tif",
            url_sha256="5f4b1f79eef276894bf25944a4177c4a6783b7a9b8f50d8255c8a000e6069de0",
        ),
        Dataset(
            "beads_confocal.tif",
            "225556fc89c387a1be8b8a559c8bbf682a8046aa904da9f575bd56d2e7a70578",
            f"{_GITHUB}haesleinhuepf/BioImageAnalysisNotebooks, commit 3766d2f6",
            "CC BY 4.0; Bert Nitzsche and Robert Haase, MPI-CBG",
            (0.125, 0.0225, 0.0225),
        ),
        Dataset(
            "nucleus_confocal_vs_widefield.tif",
            "4ccf2c0eb8ebd2548737374a673117fc42225d8720f9f764bae7935585a4141b",
            f"{_GITHUB}NEUBIAS/training-resources, commit 8bbaa51d",
            "CC BY 4.0",
            (0.499, 0.512, 0.512),
        ),
        Dataset(
            "gastruloid.ply",
            "a1a45683c886ba122fa2148b1254a906b30dd3023648d8b134017af255e36dc0",
            "the Python package napari-process-points-and-surfaces 0.5.0, data/gastruloid.ply",
            "CC BY 4.0; zenodo 7603081",
        ),
        Dataset(
            "branchoid.ply",
            _BRANCHOID_SHA256,
            f"{_GITHUB}haesleinhuepf/BioImageAnalysisNotebooks, data/branchoid.ply",
            "CC BY 4.0",
            url=f"{_RAW}haesleinhuepf/BioImageAnalysisNotebooks/"
            "33f33ed16483a9bf75f80328ec8d938eba9894cf/data/branchoid.ply",
            url_sha256=_BRANCHOID_SHA256,
        ),
    )
}


def data_folder() -> Path | None:
    """Return the folder of real data, or None where there is none.

    It is the one that the environment variable NAPARI_DELTAMIC_DATA names, or ``../shared/data``
    beside a checkout of the project.
    """
    named = os.environ.get(DATA_VARIABLE)
    if named:
        folder = Path(named).expanduser()
        return folder if folder.is_dir() else None
    root = next(
        (folder for folder in Path(__file__).parents if (folder / "pyproject.toml").is_file()), None
    )
    beside = None if root is None else root.parent / "shared" / "data"
    return beside if beside is not None and beside.is_dir() else None


def fetch(name: str, download: bool = True) -> Path:
    """Return the path of a real file, checked by its SHA-256.

    Parameters
    ----------
    name
        One of :data:`DATASETS`.
    download
        Whether a file that is not in the data folder may be downloaded, once, to the user's cache.

    Raises
    ------
    KeyError
        If there is no such dataset.
    FileNotFoundError
        If the file is neither in the data folder nor to be downloaded; the message says where it
        comes from.
    ValueError
        If the file, in the folder or as downloaded, is not the one that is meant.
    OSError
        If the download fails.
    """
    if name not in DATASETS:
        raise KeyError(f"name: {name!r} is not one of {', '.join(DATASETS)}")
    dataset = DATASETS[name]
    folder = data_folder()
    if folder is not None and (folder / name).is_file():
        file = folder / name
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        if found not in (dataset.sha256, dataset.url_sha256):
            raise ValueError(
                f"name: {file} is not the published {name} (SHA-256 {found}, expected "
                f"{dataset.sha256}); remove it or get it again from {dataset.source}"
            )
        return file
    if dataset.url is None or not download:
        raise FileNotFoundError(
            f"name: {name} is not in the data folder ({folder or 'there is none'}); its source is "
            f"{dataset.source} ({dataset.licence}); set {DATA_VARIABLE} to a folder that holds it"
        )
    import pooch

    return Path(
        pooch.retrieve(
            dataset.url,
            known_hash=f"sha256:{dataset.url_sha256}",
            fname=name,
            path=pooch.os_cache("napari-deltamic"),
        )
    )
