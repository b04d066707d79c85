"""Changes of an input that its reader will get past: archives stay archives, JSON stays JSON.

Bytes changed at random break an archive's checksums or a bracket, and nothing behind them is ever
tried. So the parts are changed instead, one at a time, down to an array within a session within
its folder.
"""

from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable
from typing import Any

# Of all changes, those that are made to the bytes as they lie there.
_PLAIN = 0.15
_DAY = (1980, 1, 1, 0, 0, 0)
_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2, 0.5, 65_536, 2**31, 2**63, 10**30, -(10**400), 1e308, 5e-324),
    *("", "0", "x", "../x", "/etc/passwd", "C:\\x", "\0", "é", "1e999", [], {}, [0], [[]], {"": 0}),
)


ChangeBytes = Callable[[bytes, int], bytes]
"""Changes bytes at random, to at most so many."""


class Mutator:
    """Changes inputs.

    Parameters
    ----------
    change_bytes
        What changes a part that is neither an archive nor JSON.
    """

    def __init__(self, change_bytes: ChangeBytes) -> None:
        self._change_bytes = change_bytes

    def __call__(self, data: bytes, largest: int, seed: int) -> bytes:
        """Return changed bytes, at most so many; libFuzzer calls it for each new input."""
        changed = self._changed(data, largest, random.Random(seed))
        return changed if len(changed) <= largest else data

    def _changed(self, data: bytes, largest: int, rng: random.Random) -> bytes:
        if rng.random() < _PLAIN:
            return self._change_bytes(data, max(1, largest))
        if data[:2] == b"PK" and (members := unpacked(data)):
            return self._changed_archive(members, len(data), largest, rng)
        if data[:1] in (b"{", b"["):
            try:
                return json.dumps(self._changed_json(json.loads(data), rng)).encode()
            except (ValueError, RecursionError):
                pass
        return self._change_bytes(data, max(1, largest))

    def _changed_archive(
        self, members: dict[str, bytes], size: int, largest: int, rng: random.Random
    ) -> bytes:
        name = rng.choice(list(members))
        kind = rng.random()
        if kind < 0.04:
            del members[name]
        elif kind < 0.08:
            members[name] = members[rng.choice(list(members))]
        else:
            members[name] = self._changed(members[name], largest - size + len(members[name]), rng)
        return packed(members)

    def _changed_json(self, content: Any, rng: random.Random) -> Any:
        places = list(_places(content))
        if not places:
            return rng.choice(_VALUES)
        holder, key = rng.choice(places)
        value, kind = holder[key], rng.random()
        if kind < 0.1:
            del holder[key]
        elif kind < 0.2:
            other, there = rng.choice(places)
            # A copy, for otherwise a part could come to hold itself.
            holder[key] = json.loads(json.dumps(other[there]))
        elif kind < 0.35 and isinstance(value, int | float) and abs(value) < 1e290:
            holder[key] = value * rng.choice((-1, 0, 2, 1000, 1e9, 1e-9))
        elif kind < 0.5 and isinstance(value, str):
            text = self._change_bytes(value.encode(), 2 * len(value) + 8)
            holder[key] = text.decode(errors="replace")
        else:
            holder[key] = json.loads(json.dumps(rng.choice(_VALUES)))
        return content


def packed(members: dict[str, bytes]) -> bytes:
    """Return an archive that keeps its members uncompressed, as those of the package do."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_STORED) as archive:
        for name, content in members.items():
            # Without the time of day, so that a run of the fuzzer can be repeated.
            archive.writestr(zipfile.ZipInfo(name, _DAY), content)
    return target.getvalue()


def unpacked(data: bytes) -> dict[str, bytes]:
    """Return the members of an archive; empty if it is none that can be read."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {one.filename: archive.read(one) for one in archive.infolist()}
    except Exception:
        return {}


def _places(content: Any) -> Any:
    """Yield every holder with a key in it, however deep."""
    keys = content if isinstance(content, dict) else range(len(content) * isinstance(content, list))
    for key in list(keys):
        yield content, key
        if isinstance(content[key], dict | list):
            yield from _places(content[key])
