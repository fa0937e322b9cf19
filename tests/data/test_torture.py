import json
import os
import subprocess
import sys
from pathlib import Path


def test_twenty_rounds_of_torture_keep_every_promise(tmp_path):
    root = Path(__file__).parents[2]
    command = [sys.executable, "-m", "benchmarks.torture", "--rounds", "20"]
    environment = {**os.environ, "PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    rows = {row["what"]: row for row in json.loads((tmp_path / "results" / "torture.json").read_text())["rows"]}
    assert rows["largest loss"]["value"] <= 0.5
    assert rows["rows checked byte by byte"]["value"] > 1000
    assert all(row["met"] for name, row in rows.items() if "mount" not in name and "rounds in" not in name)
