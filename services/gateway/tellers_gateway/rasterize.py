"""`python -m tellers_gateway.rasterize [WIDTH]`: SVG in, PNG out, in our own fonts.

A process of its own, because drawing holds the interpreter for a tenth of a second and
the gateway has viewers to serve meanwhile.
"""

import os
import sys

import resvg_py

from tellers_gateway.lettering import FOLDER, FONTS

# Nobody watches a picture come; those who watch a vote come first.
NICENESS = 10


def to_png(svg: str, width: int | None = None) -> bytes:
    """The picture, the same bytes on every machine: no font of the machine is used."""
    files = [str(FOLDER / name) for name in FONTS]
    return bytes(
        resvg_py.svg_to_bytes(
            svg_string=svg, width=width, font_files=files, skip_system_fonts=True
        )
    )


def main() -> None:
    """From standard input to standard output."""
    os.nice(NICENESS)
    width = int(sys.argv[1]) if len(sys.argv) > 1 else None
    sys.stdout.buffer.write(to_png(sys.stdin.buffer.read().decode(), width))


if __name__ == "__main__":
    main()
