"""Where PyBullet cannot be imported, the grid world works and reach says what to do."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

BLOCKED = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "pybullet":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
from turn_rl_ros.core.door import make_env
from turn_rl_ros.core.task import make_spec
"""


def run(code):
    """Run `code` after BLOCKED in a process of its own; its output."""
    result = subprocess.run(
        [sys.executable, "-c", BLOCKED + code], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert result.returncode == 0, result.stderr
    return result.stdout


def test_the_grid_world_needs_no_pybullet():
    out = run(
        "env = make_env(make_spec({'kind': 'gridworld'}))\n"
        "env.reset(seed=0)\n"
        "print(env.step(2)[0].tolist(), 'pybullet' in sys.modules)\n"
    )
    assert out.split("\n")[0] == "[2.0, 8.0] False"  # down from the start, (2, 8), is a wall


def test_reach_says_what_is_missing_and_what_to_do():
    out = run(
        "from importlib.util import find_spec\n"
        "if find_spec('pybullet_data') is None: print('skip')\n"
        "else:\n"
        "    try: make_env(make_spec({}))\n"
        "    except Exception as error: print(type(error).__name__, error)\n"
    )
    if out.strip() != "skip":
        assert out.startswith("TurnRlError") and len(out.strip().splitlines()) == 1
        assert "pip install pybullet" in out and "gridworld" in out
