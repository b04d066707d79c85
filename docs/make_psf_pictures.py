"""Draw the pictures of docs/psf-models.md from the code of that page.

    .venv/bin/python docs/make_psf_pictures.py

Each picture there shows the `psf` of the block of code before it. Names given as arguments, such as
`confocal`, draw these alone.
"""

from __future__ import annotations

import io
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import colormaps
from PIL import Image

from napari_deltamic.cli.psf_picture import COLORMAP, draw_psf

DOCS = Path(__file__).parent
PAGE = DOCS / "psf-models.md"
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```$|^```{image} (?P<path>images/psf/(?P<name>\S+)\.png)$",
    re.MULTILINE | re.DOTALL,
)
COLORS, GREYS = 112, 16


def main(wanted: list[str]) -> None:
    names: dict[str, Any] = {}
    for block in BLOCK.finditer(PAGE.read_text(encoding="utf-8")):
        if block["code"]:
            exec(block["code"], names)
        elif not wanted or block["name"] in wanted:
            save(DOCS / block["path"], names["psf"])


def save(path: Path, psf: Any) -> None:
    """Save a picture with a palette: the colours of the scale, and greys for the texts."""
    drawn = io.BytesIO()
    draw_psf(psf, type(psf).__name__).savefig(drawn, dpi=100)
    palette = Image.new("P", (1, 1))
    palette.putpalette(palette_of(COLORS, GREYS))
    rgb = Image.open(drawn).convert("RGB")
    image = rgb.quantize(palette=palette, dither=Image.Dither.NONE)
    path.parent.mkdir(exist_ok=True)
    image.save(path, optimize=True)
    print(f"{path.name}: {path.stat().st_size / 1024:.0f} kB")


def palette_of(colors: int, greys: int) -> list[int]:
    scale = colormaps[COLORMAP](np.linspace(0.0, 1.0, colors))[:, :3]
    levels = np.repeat(np.linspace(0.0, 1.0, greys)[:, None], 3, axis=1)
    rgb: list[int] = np.round(255 * np.vstack([scale, levels])).astype(int).ravel().tolist()
    return rgb


if __name__ == "__main__":
    main(sys.argv[1:])
