"""Take the picture of the guide that docs/plugin.md shows; run it as make_pictures.py."""

from __future__ import annotations

from viewer_pictures import open_guide, seed_with, take, viewer_of


def main() -> None:
    with viewer_of("generated_embryo") as viewer:
        seed_with(open_guide(viewer))
        take(viewer, "plugin-guide.png", "Generated embryo")


if __name__ == "__main__":
    main()
