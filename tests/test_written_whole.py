"""No file of the package is written in place: a kill or a full disk leaves the earlier one."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import napari_deltamic

ROOT = Path(napari_deltamic.__file__).parent
WRITERS = {
    *("write_text", "write_bytes", "tofile", "savetxt", "save", "savez", "savez_compressed"),
    *("imwrite", "imsave", "savefig", "export", "to_csv", "to_zarr", "copyfile", "copytree"),
}
# No files: sessions and measured meshes have a method of that name, actions of a dock too.
NO_FILES = {"actions.save", "self.save", "measured.save"}
ELSEWHERE = {
    "mesh/rec.py:write_rec": "is given the file that will replace another",
    "mesh/files.py:_write_unlabelled": "the same",
    "compressive/torch_files.py:write_torch": "into memory",
    "batch/pulse.py:pulse": "a sign of life, read by whoever can",
    "batch/one.py:run_item": "a log, emptied",
    "batch/child.py:run_child": "a log",
    "plugin/batches/handing.py:hand_over": "a log",
}


def name_of(call: ast.Call) -> str:
    return ast.unparse(call.func)


def is_write(call: ast.Call) -> bool:
    """Whether a call writes a file, by its name or by the mode that a file is opened in."""
    name = name_of(call)
    method = name.rpartition(".")[2]
    if method == "open":
        modes = [one.value for one in call.args if isinstance(one, ast.Constant)]
        modes += [one.value.value for one in call.keywords if one.arg == "mode"]
        return any(isinstance(mode, str) and set(mode) & set("wax+") for mode in modes)
    return method in WRITERS and name not in NO_FILES


def writes(node: ast.AST, function: str = "", is_safe: bool = False) -> Iterator[tuple[str, int]]:
    """Yield function and line of each write that is not within ``with replacing(...)``."""
    if isinstance(node, ast.FunctionDef):
        function = node.name
    if isinstance(node, ast.With):
        calls = [one.context_expr for one in node.items]
        is_safe |= any(isinstance(one, ast.Call) and name_of(one) == "replacing" for one in calls)
    if isinstance(node, ast.Call) and is_write(node) and not is_safe:
        yield function, node.lineno
    for child in ast.iter_child_nodes(node):
        yield from writes(child, function, is_safe)


def found() -> Iterator[tuple[str, int]]:
    for file in sorted(ROOT.rglob("*.py")):
        path = file.relative_to(ROOT).as_posix()
        tree = ast.parse(file.read_text(encoding="utf-8"))
        yield from ((f"{path}:{function}", line) for function, line in writes(tree))


def test_files_are_replaced_at_once_or_not_at_all() -> None:
    places = dict(found())
    new = [f"{place} (line {line})" for place, line in places.items() if place not in ELSEWHERE]
    assert not new, f"write these within napari_deltamic.replacing: {new}"
    assert set(ELSEWHERE) == set(places)


def test_writes_are_seen() -> None:
    safe = "with replacing(path) as name, name.open('w') as file:\n    np.savez(name)\n"
    plain = "def keep():\n    path.open('wb')\n    open(path, mode='a')\n    path.write_text('')\n"
    read = "path.open()\nopen(path, 'rb')\nactions.save()\n"
    assert list(writes(ast.parse(safe + read))) == []
    assert list(writes(ast.parse(plain))) == [("keep", 2), ("keep", 3), ("keep", 4)]
