"""Records that are read, on Windows, at the moment they are replaced."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_deltamic import replacing as module
from napari_deltamic.replacing import replacing


@pytest.fixture
def reader(monkeypatch):
    """Refuse to replace a file as often as is asked for; return how often that was left."""
    left, replace = [0], Path.replace

    def refuse(self, target):
        if left[0] > 0:
            left[0] -= 1
            raise PermissionError(13, "Permission denied", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse)
    monkeypatch.setattr(module, "_BETWEEN_TRIALS", 0.0)
    return left


def write(target):
    with replacing(target) as name:
        name.write_text("new")


def test_windows_waits_for_readers(tmp_path, monkeypatch, reader):
    monkeypatch.setattr(module, "_READERS_BLOCK", True)
    reader[0] = 3
    write(tmp_path / "item.json")
    assert (tmp_path / "item.json").read_text() == "new"


def test_windows_does_not_wait_for_ever(tmp_path, monkeypatch, reader):
    monkeypatch.setattr(module, "_READERS_BLOCK", True)
    monkeypatch.setattr(module, "_SECONDS_OF_READING", 0.0)
    reader[0] = 10**9
    with pytest.raises(PermissionError, match=r"item\.json"):
        write(tmp_path / "item.json")
    assert not list(tmp_path.iterdir())


def test_elsewhere_a_refusal_is_one(tmp_path, monkeypatch, reader):
    monkeypatch.setattr(module, "_READERS_BLOCK", False)
    reader[0] = 1
    with pytest.raises(PermissionError):
        write(tmp_path / "item.json")
