"""The Python code in the README and in the documentation runs."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from sybil import Sybil
from sybil.parsers.myst import PythonCodeBlockParser

ROOT = Path(__file__).resolve().parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PAGES = [page for page in PAGES if "_build" not in page.parts]
WITH_PYTHON = [page for page in PAGES if re.search(r"^```python$", page.read_text("utf-8"), re.M)]

SHELL_BLOCK = re.compile(r"^```(?:bash|console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
ANY_BLOCK = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
LOCAL_LINK = re.compile(r"\]\((?!https?:|mailto:|#)([^)#\s]+)[^)]*\)")


def commands() -> list[str]:
    """Return the subcommands of napari-deltamic that the pages' shell blocks use."""
    found: set[str] = set()
    for page in PAGES:
        for block in SHELL_BLOCK.findall(page.read_text("utf-8")):
            for line in block.replace("\\\n", " ").splitlines():
                words = shlex.split(line, comments=True)
                if len(words) > 1 and words[0] == "napari-deltamic" and words[1][0] != "-":
                    found.add(words[1])
    return sorted(found)


@pytest.mark.parametrize("page", WITH_PYTHON, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_python_blocks_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    examples = list(Sybil([PythonCodeBlockParser()]).parse(page))
    assert examples
    for example in examples:
        example.evaluate()


@pytest.mark.parametrize("command", commands())
def test_commands_in_shell_blocks_exist(command: str) -> None:
    script = shutil.which("napari-deltamic", path=str(Path(sys.executable).parent))
    assert script is not None
    done = subprocess.run([script, command, "--help"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"napari-deltamic {command}" in done.stdout


def test_links_between_pages_lead_somewhere() -> None:
    broken = [
        f"{page.relative_to(ROOT)}: {target}"
        for page in PAGES
        for target in LOCAL_LINK.findall(ANY_BLOCK.sub("", page.read_text("utf-8")))
        if not (page.parent / target).exists()
    ]
    assert broken == []
