"""Fuzz one reader, in a process of its own: ``python -m fuzz.one TARGET FOLDER [OPTION ...]``.

Inputs that a reader failed on are kept in FOLDER/findings, those that led to new code in
FOLDER/corpus, from which the next run goes on. The options are libFuzzer's.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import warnings
from pathlib import Path

import atheris

from fuzz.guarding import Guard, limit_memory
from fuzz.mutating import Mutator
from fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer's options say that it is enough; it ends the process by itself."""
    target, folder = TARGETS[sys.argv[1]], Path(sys.argv[2]).resolve()
    corpus, findings = folder / "corpus", folder / "findings"
    for one in (corpus, findings):
        one.mkdir(parents=True, exist_ok=True)
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    place = Path(tempfile.mkdtemp())
    with atheris.instrument_imports(include=list(target.modules)):
        prepared = target.prepare(place)
        for number, seed in enumerate(prepared.seeds):
            (corpus / f"seed-{number}").write_bytes(seed)
            # A seed that is refused leads nowhere; this also imports what is imported late.
            prepared.read(seed)
    guard = Guard(prepared.read, target.allowed, place, findings)
    limit_memory()
    options = [f"-max_len={max(map(len, prepared.seeds)) * 2 + 512}", *sys.argv[3:]]
    atheris.Setup(
        [sys.argv[0], *options, str(corpus)], guard, custom_mutator=Mutator(_change_bytes)
    )
    atheris.Fuzz()


def _change_bytes(data: bytes, largest: int) -> bytes:
    return bytes(atheris.Mutate(data, largest))


if __name__ == "__main__":
    main()
