"""How good reconstructions are, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from napari_deltamic.cli.tables import print_table

if TYPE_CHECKING:
    from napari_deltamic.compressive import Scores


def print_scores(title: str, scores: Mapping[str, Scores]) -> None:
    """Print scores by what they are of; with Dice where a segmentation was trained."""
    dice = any(one.dice is not None for one in scores.values())
    print_table(
        title,
        ("", "SSIM", "PSNR\n(dB)", "mean abs.\nerror (L1)", *(["Dice"] if dice else [])),
        (
            (
                name,
                f"{one.ssim:.3f}",
                f"{one.psnr:.1f}",
                f"{one.l1:.4f}",
                *([] if not dice else ["-" if one.dice is None else f"{one.dice:.3f}"]),
            )
            for name, one in scores.items()
        ),
    )
