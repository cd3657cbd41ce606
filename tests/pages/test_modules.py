"""The pages' pure modules, tested by node itself."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent
# The first with `node --test` and everything these modules are written in.
OLDEST_NODE = 20


def find_node() -> str:
    """The node program. Skips the test, saying why, where there is none to use."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("no node on the path: the pages' modules are tested by it")
    said = subprocess.run(
        [node, "--version"], capture_output=True, text=True, check=True
    )
    version = said.stdout.strip()
    if int(version.removeprefix("v").split(".")[0]) < OLDEST_NODE:
        pytest.skip(f"node {OLDEST_NODE} or newer needed, there is {version}")
    return node


@pytest.mark.parametrize("module", sorted(p.name for p in HERE.glob("*.test.mjs")))
def test_pure_modules(module: str) -> None:
    node = find_node()
    run = subprocess.run(
        [node, "--test", "--test-reporter=spec", HERE / module],
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
