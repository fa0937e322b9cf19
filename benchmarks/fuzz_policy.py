"""Mutated policy artifacts against the door of the executor: how many are refused, and what the refusal costs.

Each mutant is opened twice: with the sha256 of the artifact it was made from, as damage on the way would be, and with a
hash of its own, as a forger would send it, which lets it through to the parser. It runs in a child process that may
allocate 64 MiB beyond what it has at the start and may not open, import, compile or start anything.
"""

import argparse
import gc
import hashlib
import itertools
import json
import os
import random
import resource
import signal
import struct
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import track
from safetensors.numpy import load, save

from benchmarks.table import Row, report
from turn_rl_ros.core.artifact import MAX_BYTES, MAX_HEADER_BYTES, open_artifact, pack, read_metadata
from turn_rl_ros.core.errors import PolicyRejected
from turn_rl_ros.core.spec import Box, TaskSpec
from turn_rl_ros.core.task import make_spec

MIB = 2**20
ALLOWED_BYTES, ALLOWED_S, BATCH = 64 * MIB, 5, 100
FORBIDDEN = ("open", "import", "exec", "compile", "marshal.", "pickle.", "ctypes.", "os.", "subprocess.", "socket.")
SPEC = make_spec({"kind": "gridworld"})


def reach_like() -> TaskSpec:
    """A continuous task without a URDF: two observations, two actions in [-1, 1]."""
    values = json.loads(SPEC.to_json())
    bounds = {"names": ["a", "b"], "units": ["rad/s"] * 2, "low": [-1.0] * 2, "high": [1.0] * 2}
    return TaskSpec.from_json(json.dumps({**values, "action": bounds}))


def seeds() -> list[tuple[TaskSpec, bytes]]:
    """Sound artifacts: a table on a grid, an ensemble of three tanh networks, and two that choose by their critics."""
    rng, facts = np.random.default_rng(0), {"turn": 3, "algorithm": "fuzz", "nested": {"deep": [1, 2.5, None, "x"]}}
    probes = np.array([[2, 8], [12, 17], [0, 0]], dtype=np.float32)
    table = {"w0": rng.normal(size=(1, 400, 5)), "b0": np.zeros((1, 1, 5)), "one_hot": np.array([20, 20])}
    network: dict[str, Any] = {"obs_mean": np.zeros(2), "obs_std": np.ones(2)}
    for layer, (inputs, outputs) in enumerate(itertools.pairwise((2, 32, 32, 2))):
        network[f"w{layer}"] = rng.normal(size=(3, inputs, outputs)) / np.sqrt(inputs)
        network[f"b{layer}"] = rng.normal(size=(3, 1, outputs))
    choosing: dict[str, Any] = {"obs_mean": np.zeros(2), "obs_std": np.ones(2), "q_layer_norm": np.ones(1)}
    choosing["noise"] = rng.normal(size=(8, 2))
    for name, members, sizes in (("", 2, (2, 16, 4)), ("q", 4, (4, 16, 16, 1))):
        for layer, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
            choosing[f"{name}w{layer}"] = rng.normal(size=(members, inputs, outputs)) / np.sqrt(inputs)
            choosing[f"{name}b{layer}"] = rng.normal(size=(members, 1, outputs))
    arm = reach_like()
    return [
        (SPEC, pack("argmax_q", table, SPEC, probes, facts)),
        (arm, pack("tanh_mlp", network, arm, probes, facts)),
        (arm, pack("best_of_q", choosing, arm, probes, facts)),
    ]


def _flip(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 8, 200))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def _flip_header(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 2, 10))):
        data[rng.randrange(min(len(data), 900))] = rng.randrange(256)


def _cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(len(data)) :]


def _grow(data: bytearray, rng: random.Random) -> None:
    data.extend(rng.randbytes(rng.choice((1, 7, 4096, MAX_BYTES))))


def _overwrite(data: bytearray, rng: random.Random) -> None:
    at, size = rng.randrange(len(data)), rng.randrange(1, 600)
    data[at : at + size] = rng.choice((b"\x00", b"\xff", b"\x80", b"{", b"[")) * len(data[at : at + size])


def _length(data: bytearray, rng: random.Random) -> None:
    sizes = (0, 1, 7, 2**31, 2**63, 2**64 - 1, len(data), len(data) - 8, MAX_HEADER_BYTES, rng.randrange(2000))
    data[:8] = struct.pack("<Q", rng.choice(sizes))


def _bomb(data: bytearray, rng: random.Random) -> None:
    """JSON that is small on the wire and large, or deep, as objects."""
    unit = rng.choice((b"[", b'{"a":', b"[[],[],", b'"', b"0,", b"1e9999,", b"{},", b'"\\u0000",'))
    header = (b"[" + unit * (MAX_HEADER_BYTES // len(unit)))[:MAX_HEADER_BYTES]
    data[:] = struct.pack("<Q", len(header)) + header


def _table(data: bytearray, rng: random.Random) -> None:
    """An entry of the tensor table says something else: shape, type, place or name."""
    size = int.from_bytes(data[:8], "little")
    table = json.loads(data[8 : 8 + size])
    name = rng.choice([one for one in table if one != "__metadata__"])
    numbers = (0, 1, -1, 3, 2**31, 2**40, 2**62, 2**64, 1.5, None, "4", [1], True)
    edits: list[Callable[[], Any]] = [
        lambda: table[name].update(shape=[rng.choice(numbers) for _ in range(rng.randrange(5))]),
        lambda: table[name].update(shape=[1] * 40),
        lambda: table[name].update(dtype=rng.choice(("F64", "F16", "BF16", "I64", "U8", "BOOL", "F4", "", 7))),
        lambda: table[name].update(data_offsets=[rng.choice(numbers), rng.choice(numbers)]),
        lambda: table.pop(name),
        lambda: table.update({rng.choice(("w9", "x" * 500, "", "\x00", "../../w0")): table[name]}),
        lambda: table.update({name: rng.choice((None, [], 5, "F32", {}))}),
        lambda: table.update({f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(3000)}),
    ]
    rng.choice(edits)()
    header = json.dumps(table).encode()
    header += b" " * (-len(header) % 8)
    data[: 8 + size] = struct.pack("<Q", len(header)) + header


def _forge(data: bytearray, rng: random.Random) -> None:
    """A well-formed artifact with other facts or weights."""
    arrays, facts = dict(load(bytes(data))), read_metadata(bytes(data))
    name = rng.choice(list(arrays))
    values = (np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45, 0.0, 1e9)
    kinds = ("argmax_q", "tanh_mlp", "best_of_q")
    odd = (None, -1, 0, 2**70, 1.5, True, "x", [], {}, *kinds, [[[]]] * 9, "__import__('os')")
    key = rng.choice(("format", "kind", "turn", "task_fingerprint", "algorithm"))
    shape = arrays[name].shape
    edits: list[Callable[[], Any]] = [
        lambda: facts.update({key: rng.choice(odd)}),
        lambda: facts.pop(key),
        lambda: arrays[name].flat.__setitem__(rng.randrange(arrays[name].size), rng.choice(values)),
        lambda: arrays.update({name: np.full(shape, rng.choice(values), dtype=np.float32)}),
        lambda: arrays.update({name: arrays[name].reshape(-1)}),
        lambda: arrays.update({name: np.repeat(arrays[name], 2, axis=rng.randrange(len(shape)))}),
        lambda: arrays.update({name: arrays[name][:1]}),
        lambda: arrays.update({name: arrays[name].astype(rng.choice((np.float64, np.int8, np.float16)))}),
        lambda: arrays.pop(name),
        lambda: arrays.update({"one_hot": np.array([rng.choice(values), rng.choice(values)], dtype=np.float32)}),
        lambda: arrays.update({n: np.repeat(a, 5000, axis=0) for n, a in arrays.items() if n.startswith("probe")}),
    ]
    rng.choice(edits)()
    data[:] = save(arrays, {"turn_rl": json.dumps(facts)})


MUTATIONS = (_flip, _flip_header, _cut, _grow, _overwrite, _length, _bomb, _table, _forge, _forge)


def mutant(seed: int, sound: list[tuple[TaskSpec, bytes]]) -> tuple[TaskSpec, bytes, bytes]:
    """The task, the artifact it was made from, and the mutant; never equal to each other."""
    rng = random.Random(seed)
    spec, blob = sound[seed % len(sound)]
    data = bytearray(blob)
    while data == blob:
        rng.choice(MUTATIONS)(data, rng)
    return spec, blob, bytes(data)


def try_one(spec: TaskSpec, blob: bytes, data: bytes) -> str:
    """'refused' or 'forged'; raises AssertionError for what must never happen."""
    try:
        open_artifact(data, spec, hashlib.sha256(blob).hexdigest())
    except PolicyRejected as error:
        assert "\n" not in str(error), "more than one line"
    else:
        raise AssertionError("accepted with the hash of another artifact")
    try:
        artifact = open_artifact(data, spec)
    except PolicyRejected as error:
        assert "\n" not in str(error) and len(str(error)) < 400, "more than one line"
        return "refused"
    # What is left differs in facts that nobody acts on, or in weights by less than a probe can see: it must act well.
    action = artifact.policy.act(np.array([3, 4], dtype=np.float32))
    assert np.isfinite(action).all() and (not isinstance(spec.action, Box) or (np.abs(action) <= 1.00001).all())
    return "forged"


def batch(numbers: range, sound: list[tuple[TaskSpec, bytes]]) -> list[str]:
    """Try mutants in a limited child process; one word each, or what went wrong."""
    reader, writer = os.pipe()
    if pid := os.fork():
        os.close(writer)
        with os.fdopen(reader) as pipe:
            lines = pipe.read().splitlines()
        _, status = os.waitpid(pid, 0)
        if len(lines) < len(numbers):
            lines.append(f"mutant {numbers[len(lines)]}: the process ended with {os.waitstatus_to_exitcode(status)}")
        return lines
    gc.freeze()  # the parent's garbage is not for the child to finalise
    armed = [False]

    def audit(event: str, _: tuple[Any, ...]) -> None:
        if armed[0] and event.startswith(FORBIDDEN):
            raise AssertionError(f"tried to {event}")

    sys.addaudithook(audit)
    signal.signal(signal.SIGPROF, signal.SIG_DFL)
    for number in numbers:
        spec, blob, data = mutant(number, sound)
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + ALLOWED_BYTES, resource.RLIM_INFINITY))
        signal.setitimer(signal.ITIMER_PROF, ALLOWED_S)  # of its own work: the machine may be busy
        try:
            armed[0] = True
            line = try_one(spec, blob, data)
        except BaseException as error:
            line = f"mutant {number}: {type(error).__name__}: {str(error)[:200]!r}"
        armed[0] = False
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        os.write(writer, (line + "\n").encode())
    os._exit(0)


def run(count: int, first: int = 0) -> Counter[str]:
    """Try `count` mutants; how often each word was said, 'refused' and 'forged' being the only good ones."""
    sound = seeds()
    for spec, blob in sound:
        open_artifact(blob, spec)  # what is imported on first use is imported now
    found: Counter[str] = Counter()
    starts = range(first, first + count, BATCH)
    for start in track(starts, description="mutants", disable=count <= 1000):
        found.update(batch(range(start, min(start + BATCH, first + count)), sound))
    return found


def main() -> None:
    """Print the counts, the problems by name, and the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=10_000, help="mutants")
    parser.add_argument("--first", type=int, default=0, help="number of the first one, to repeat a finding")
    options = parser.parse_args()
    started = time.perf_counter()
    found = run(options.count, options.first)
    problems = [line for line in found if line not in ("refused", "forged")]
    accepted = sum("accepted with the hash" in line for line in problems)
    for line in problems[:20]:
        print(line)
    refused = found["refused"] / options.count
    within = f"no crash, hang, 64 MiB or code in {options.count} mutants"
    report(
        "fuzz-policy",
        [
            Row("mutants accepted with the sender's hash", accepted, "mutants", "none", 0, None, 0, not accepted),
            Row("mutants refused even with a hash of their own", refused, "share", "all", 1.0, refused, None, True),
            Row(f"problems: {within}", len(problems), "mutants", "none", 0, None, 0, not problems),
            Row("time", round(time.perf_counter() - started, 1), "s", "-", None, None, None, True),
        ],
    )
    raise SystemExit(1 if problems else 0)


if __name__ == "__main__":
    main()
