"""The training engine beside d3rlpy: steps a second of the same algorithms, side by side in one run.

Batch 256, observation 20, action 7, the papers' settings. Both sides are asked for what a user gets: batches drawn from
a dataset and steps taken, ours by a whole `Training`, d3rlpy's by what its `fit` does at every step. Rounds are
interleaved and medians compared. d3rlpy runs in an environment of its own, made in `.venv-peers-train` on first use
(`--peers no` leaves it out, and says so in the table).
"""

import argparse
import json
import statistics
import subprocess
import sys
import venv
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from rich.progress import track

from benchmarks.table import Row, report, row

D3RLPY = "d3rlpy==2.8.1"
PEERS = (D3RLPY, "torch==2.13.0")
USEFUL_GFLOP = 7.08
"""Products of one CQL step as the algorithm defines them: each sampled action through both critics and back."""

OURS: dict[str, tuple[dict[str, Any], int]] = {
    "cql": ({"algorithm": "cql", "width": 256, "threads": 2}, 60),
    "cql bf16": ({"algorithm": "cql", "width": 256, "threads": 2, "precision": "bfloat16"}, 80),
    "cql five": ({"algorithm": "cql", "width": 256, "threads": 2, "seeds": 5}, 12),
    "cql five bf16": ({"algorithm": "cql", "width": 256, "threads": 2, "seeds": 5, "precision": "bfloat16"}, 16),
    "iql": ({"algorithm": "iql", "width": 256}, 300),
    "discrete 64": ({"algorithm": "discrete_cql", "width": 64}, 3000),
    "discrete 64 five": ({"algorithm": "discrete_cql", "width": 64, "seeds": 5, "processes": 2}, 2000),
    "discrete 256": ({"algorithm": "discrete_cql", "width": 256, "threads": 2}, 1000),
}
"""What is trained, and for how many steps a round."""

THEIRS: dict[str, tuple[int, dict[str, Any]]] = {
    "cql": (2, {"what": "cql", "width": 256, "seconds": 2.0}),
    "iql": (1, {"what": "iql", "width": 256, "seconds": 2.0}),
    "discrete 64": (2, {"what": "discrete_cql", "width": 64, "seconds": 2.0}),
    "discrete 256": (2, {"what": "discrete_cql", "width": 256, "seconds": 2.0}),
}
"""Threads and request. Two is what torch takes by itself on two cores."""


class Worker:
    """A process that answers a line of JSON with a line of JSON."""

    def __init__(self, *command: str | Path) -> None:
        self._process = subprocess.Popen(
            [*command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.wait()

    def send(self, request: Mapping[str, Any]) -> None:
        """Ask, without waiting."""
        assert self._process.stdin is not None
        print(json.dumps(request), file=self._process.stdin, flush=True)

    def receive(self) -> dict[str, float]:
        """The answer. Raises RuntimeError when the process ended instead."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args} ended with exit code {self._process.wait()}")
        return json.loads(line)

    def ask(self, request: Mapping[str, Any]) -> dict[str, float]:
        """Ask and wait."""
        self.send(request)
        return self.receive()


def peer_python() -> Path:
    """The interpreter that has d3rlpy, after installing it if need be. Raises SubprocessError, OSError."""
    home = Path(".venv-peers-train")
    if not (home / ".ready").exists():
        print(f"installing {', '.join(PEERS)} into {home} ...")
        venv.create(home, with_pip=True)
        subprocess.run([home / "bin" / "python", "-m", "pip", "install", "--quiet", *PEERS], check=True, timeout=1200)
        (home / ".ready").touch()
    return home / "bin" / "python"


Found = dict[str, list[float]]


def measure(rounds: int, only: str, peers: bool) -> tuple[Found, Found]:
    """Rates and memory of ours and of the peer, a list a name."""
    ours: Found = {}
    theirs: Found = {}
    script = Path(__file__).with_name("peers_train.py")
    with ExitStack() as stack:
        worker = stack.enter_context(Worker(sys.executable, "-m", "benchmarks.train_worker"))
        one: dict[int, Worker] = {}
        if peers:
            one = {threads: stack.enter_context(Worker(peer_python(), script, str(threads))) for threads in (1, 2)}
            pair = [stack.enter_context(Worker(peer_python(), script, "1")) for _ in range(2)]
        for _ in track(range(rounds), description="rounds"):
            for name, (settings, steps) in OURS.items():
                if only not in name:
                    continue
                found = worker.ask({"settings": settings, "steps": steps})
                ours.setdefault(name, []).append(found["fit"])
                ours.setdefault(f"{name} memory", []).append(found["memory"])
                if name in THEIRS and peers:
                    threads, request = THEIRS[name]
                    for key, value in one[threads].ask(request).items():
                        theirs.setdefault(f"{name} {key}", []).append(value)
            if peers and only in "cql five":
                for each in pair:
                    each.send(THEIRS["cql"][1])
                both = [each.receive() for each in pair]
                theirs.setdefault("cql five fit", []).append(sum(found["fit"] for found in both))
            ours.setdefault("gemm", []).append(worker.ask({"gemm": 2})["gemm"])
    return ours, theirs


GOALS = (
    ("CQL 2x256, float32", "cql", "cql", 3.0),
    ("CQL 2x256, bfloat16 products", "cql bf16", "cql", 4.5),
    ("CQL 2x256, five seeds, float32", "cql five", "cql five", 3.0),
    ("CQL 2x256, five seeds, bfloat16 products", "cql five bf16", "cql five", 4.5),
    ("IQL 2x256, one thread", "iql", "iql", 5.0),
    ("discrete CQL 2x64", "discrete 64", "discrete 64", 12.0),
    ("discrete CQL 2x64, five seeds", "discrete 64 five", "discrete 64", 20.0),
    ("discrete CQL 2x256", "discrete 256", "discrete 256", 7.0),
)
"""What, our measurement, the peer's, and by how much it should be faster."""


def rows(ours: Found, theirs: Found) -> list[Row]:
    """One row a goal, and beside it the peer's update alone, which draws no batch."""
    table = []
    unit = "seed-steps/s"
    for what, mine, peer, goal in GOALS:
        if mine not in ours:
            continue
        rate = statistics.median(ours[mine])
        two = " in two processes" if peer == "cql five" else ""
        if f"{peer} fit" not in theirs:
            table.append(Row(f"{what} (d3rlpy not measured)", round(rate, 3), unit, D3RLPY, None, None, goal, False))
            continue
        table.append(row(what, rate, unit, f"{D3RLPY}{two}", statistics.median(theirs[f"{peer} fit"]), goal))
        if f"{peer} update" in theirs:
            alone = statistics.median(theirs[f"{peer} update"])
            table.append(row(what, rate, unit, f"{D3RLPY}, drawing no batches", alone, goal))
    if "cql" in ours:
        useful, best = USEFUL_GFLOP * statistics.median(ours["cql"]), max(ours["gemm"])
        table.append(row("CQL 2x256, float32, useful products", useful, "GFLOP/s", "best product here", best, 0.75))
    if "cql" in ours and "cql memory" in theirs:
        # The first answers: later ones hold what other algorithms took.
        mine, peer = ours["cql memory"][0], theirs["cql memory"][0]
        table.append(row("peak memory, CQL 2x256", mine, "MB", D3RLPY, peer, 1 / 0.6, less_is_better=True))
    return table


def main() -> None:
    """Measure everything and report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="", help="measurements whose name has this in it, such as cql or 'discrete'")
    parser.add_argument("--peers", choices=("yes", "no"), default="yes")
    options = parser.parse_args()
    peers = options.peers == "yes"
    try:
        found = measure(options.rounds, options.only, peers)
    except (subprocess.SubprocessError, OSError) as error:
        print(f"d3rlpy left out: {error}")
        found = measure(options.rounds, options.only, False)
    report("bench-train", rows(*found))


if __name__ == "__main__":
    sys.exit(main())
