"""The wheel holds what it should, installs alone, and napari accepts its manifest."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "napari_deltamic"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
NOT_IN_BASE = re.compile(
    r"napari|magicgui|qtpy|superqt|pyqtgraph|pyside|pyqt|cupy|nvidia|cuda", re.IGNORECASE
)


def run(*command: str | Path, cwd: Path) -> str:
    """Run a command and return its output; a failure shows both of its streams."""
    # By way of the environment they reach the build too; as a URL they may hold spaces.
    environment = os.environ | {"PIP_CONSTRAINT": (ROOT / "constraints.txt").as_uri()}
    done = subprocess.run(
        [str(part) for part in command], cwd=cwd, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel built from the tree as it is."""
    folder = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, ROOT, cwd=folder)
    (path,) = folder.glob("*.whl")
    return path


def test_base_dependencies_name_no_gui_and_no_gpu() -> None:
    assert [name for name in PROJECT["dependencies"] if NOT_IN_BASE.match(name)] == []


def test_the_two_gpu_extras_never_come_together() -> None:
    extras = PROJECT["optional-dependencies"]
    with_gpu = {name for name, packages in extras.items() if "cupy" in " ".join(packages)}
    assert with_gpu == {"gpu", "gpu13"}
    assert not [
        name
        for name, packages in extras.items()
        if re.search(r"napari-deltamic\[[^]]*gpu", " ".join(packages))
    ]


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_the_package(wheel: Path) -> None:
    in_tree = {
        f"napari_deltamic/{path.relative_to(PACKAGE).as_posix()}"
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert held == in_tree
    assert {"napari_deltamic/napari.yaml", "napari_deltamic/py.typed"} <= held


@pytest.mark.slow
def test_the_base_wheel_works_in_a_clean_environment(wheel: Path, tmp_path: Path) -> None:
    venv.create(tmp_path / "clean", with_pip=True)
    scripts = tmp_path / "clean" / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / "python"
    run(python, "-m", "pip", "install", "--quiet", wheel, cwd=tmp_path)

    absent = "from importlib.util import find_spec; print(find_spec('napari'), find_spec('qtpy'))"
    assert run(python, "-c", absent, cwd=tmp_path).split() == ["None", "None"]
    imported = run(
        python, "-c", "import napari_deltamic as dm; print(dm.fit, dm.__file__)", cwd=tmp_path
    )
    assert str(tmp_path) in imported
    assert PROJECT["version"] in run(scripts / "napari-deltamic", "info", cwd=tmp_path)

    run(python, "-m", "pip", "install", "--quiet", "npe2", cwd=tmp_path)
    run(python, "-m", "npe2", "validate", "napari-deltamic", cwd=tmp_path)


def test_napari_finds_everything_that_the_manifest_names() -> None:
    run(sys.executable, "-m", "npe2", "validate", "--imports", "napari-deltamic", cwd=ROOT)
