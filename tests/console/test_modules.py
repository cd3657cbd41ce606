"""The console's pure modules, tested by node itself."""

import subprocess
from pathlib import Path

from tests.pages.test_modules import find_node


def test_pure_modules() -> None:
    module = Path(__file__).parent / "modules.test.mjs"
    run = subprocess.run(
        [find_node(), "--test", module], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
