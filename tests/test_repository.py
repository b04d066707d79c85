"""Rules that hold for the whole tree: layers, file sizes, and where the GUI may be imported."""

from __future__ import annotations

import ast
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import napari_deltamic

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "napari_deltamic"
MAX_LINES = 400
GUI = {"napari", "magicgui", "qtpy", "superqt", "pyqtgraph", "PySide6", "PyQt6", "PyQt5"}


def python_files(*folders: str) -> list[Path]:
    """Return the project's Python files in some of its folders."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported_libraries(path: Path) -> set[str]:
    """Return the top-level names that a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


def test_files_stay_short() -> None:
    long_files = {
        path.relative_to(ROOT).as_posix(): lines
        for path in python_files("src", "tests", "benchmarks", "docs", "fuzz")
        if (lines := len(path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert long_files == {}


def test_only_the_plugin_imports_the_gui() -> None:
    offenders = {
        path.relative_to(PACKAGE).as_posix(): found
        for path in PACKAGE.rglob("*.py")
        if path.relative_to(PACKAGE).parts[0] != "plugin"
        and (found := imported_libraries(path) & GUI)
    }
    assert offenders == {}
    # The rule has something to hold back: the plugin does import the GUI.
    assert any(imported_libraries(path) & GUI for path in (PACKAGE / "plugin").rglob("*.py"))


def test_every_folder_of_the_package_is_in_the_layers() -> None:
    configuration = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    layers = set(re.findall(r"napari_deltamic\.(\w+)", configuration))
    parts = {
        path.stem
        for path in PACKAGE.iterdir()
        if (path.is_dir() and path.name != "__pycache__") or path.suffix == ".py"
    }
    assert parts - {"__init__"} <= layers


def test_imports_point_down_the_layers() -> None:
    linter = shutil.which("lint-imports", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("import-linter is not installed: make layers runs it")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout


def test_the_manifest_at_the_root_is_the_one_in_the_package() -> None:
    link = ROOT / "napari.yaml"
    assert link.is_symlink()
    assert link.resolve() == (PACKAGE / "napari.yaml").resolve()


def test_the_change_log_names_this_version() -> None:
    change_log = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {napari_deltamic.__version__}" in change_log


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/benchmarks.md"])
def test_make_commands_that_pages_name_exist(page: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    # In code only: "make it" in a sentence is no command.
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE))
    assert named
    assert named <= set(phony.split())


def test_no_two_test_files_share_a_name():
    names = [path.name for path in (ROOT / "tests").rglob("test_*.py")]
    assert len(names) == len(set(names))
