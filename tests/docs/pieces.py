"""The pieces of code on a page of the docs, and how they are run."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from tests.e2e.stack import Stack
from tests.pages.test_modules import find_node

DOCS = Path(__file__).parents[2] / "docs"
# A heading, or a block of code with its language.
BLOCKS = re.compile(r"^## ([^\n]+)$|^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LOCAL = "127.0.0.1:8000"
SECONDS = 60


class Piece(NamedTuple):
    """A block of code on the page, and the heading above it."""

    heading: str
    language: str
    code: str


def pieces(page: str) -> list[Piece]:
    """In order."""
    found, heading = [], ""
    for match in BLOCKS.finditer((DOCS / page).read_text("utf-8")):
        if match[1]:
            heading = match[1]
        else:
            found.append(Piece(heading, match[2], match[3]))
    return found


def run(piece: Piece, stack: Stack, folder: Path, **environment: str) -> str:
    """What it prints, run against that stack instead of the usual addresses."""
    code = piece.code.replace(LOCAL, stack.gateway_url.removeprefix("http://"))
    commands = {
        "sh": lambda: ["bash", "-c", code],
        "python": lambda: [sys.executable, "-c", code],
        "js": lambda: [find_node(), "--input-type=module", "-e", code],
    }
    output = folder / "output"
    with output.open("wb") as out:
        done = subprocess.run(
            commands[piece.language](),
            cwd=folder,
            env={**os.environ, "TELLERS_REDIS_URL": stack.redis.url, **environment},
            stdout=out,
            stderr=subprocess.STDOUT,
            timeout=SECONDS,
            check=False,
        )
    said = output.read_text("utf-8")
    endless = "--max-time" in code and done.returncode == 28
    assert done.returncode == 0 or endless, said
    return said
