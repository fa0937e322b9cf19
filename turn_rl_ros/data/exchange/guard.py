"""Foreign files are read in a process of their own: a damaged one can crash the HDF5 library or keep it busy for ever.

The process may use limited memory and processor time, loads no HDF5 plugins, and hands back plain arrays.
"""

import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np

from turn_rl_ros.data.exchange.checks import ExchangeError
from turn_rl_ros.data.exchange.experience import Experience, Origin
from turn_rl_ros.data.exchange.source import total_bytes

MEMORY_BYTES, SECONDS = 2**30, 5
"""What any file may cost, beyond what Python itself needs."""
BYTES_PER_BYTE, BYTES_PER_SECOND = 16, 20e6
"""What a long one may cost on top: memory for each of its bytes, and a second of processor time for so many."""
WAIT = 12
"""A process that does not even use its processor time is waited for this many times as long, then ended."""
ENVIRONMENT = {"HDF5_PLUGIN_PRELOAD": "::", "ARROW_DEFAULT_MEMORY_POOL": "system"}
"""No code is loaded because a file asks for it; no pool reserves the memory that the limit is about."""
REPLY, REFUSAL = "reply.npz", "refusal.txt"


def read(path: Path, kind: str = "") -> tuple[str, Experience]:
    """The kind of a foreign file or folder, found out when not given, and its rows.

    Raises:
        ExchangeError: whatever is wrong with it, in one line.
    """
    size = total_bytes(path)
    seconds = SECONDS + size / BYTES_PER_SECOND
    with tempfile.TemporaryDirectory(prefix="turn-rl-") as folder:
        command = [sys.executable, "-m", "turn_rl_ros.data.exchange.child", str(path.absolute()), kind, folder]
        limits = [str(int(MEMORY_BYTES + BYTES_PER_BYTE * size)), str(int(seconds) + 1)]
        places = os.pathsep.join(place or str(Path.cwd()) for place in sys.path)
        ours = {**os.environ, **ENVIRONMENT, "PYTHONPATH": places}
        try:
            done = subprocess.run(
                [*command, *limits], env=ours, cwd=folder, capture_output=True, timeout=WAIT * seconds, check=False
            )
        except subprocess.TimeoutExpired:
            raise ExchangeError(f"reading {path.name} took longer than {WAIT * seconds:.0f} s") from None
        return understand(path, Path(folder), done.returncode, done.stderr.decode(errors="replace"))


def limit(memory_bytes: int, seconds: int) -> None:
    """Let this process use so much more memory and processor time than it has used so far."""
    used = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * resource.getpagesize()
    spent = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    for kind, most in (
        (resource.RLIMIT_AS, used + memory_bytes),
        (resource.RLIMIT_CPU, spent + seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        allowed = resource.getrlimit(kind)[1]
        least = most if allowed == resource.RLIM_INFINITY else min(most, allowed)
        resource.setrlimit(kind, (least, least))


def answer(path: Path, kind: str, folder: Path) -> None:
    """Read `path` and leave the rows, or why there are none, in `folder`; runs in the guarded process."""
    from turn_rl_ros.data.exchange.formats import detect, known

    try:
        kind = kind or detect(path)
        found = known(kind).read(path)
        reply: dict[str, Any] = {one.name: getattr(found, one.name) for one in fields(found) if one.name != "infos"}
        reply |= {"origin": json.dumps(asdict(found.origin)), "notes": json.dumps(found.notes), "kind": kind}
        np.savez(folder / REPLY, **reply)
    except ExchangeError as error:
        refusal = str(error)
    except MemoryError:
        refusal = "its arrays do not fit into the memory that a file of this size may use"
    except Exception as error:  # whatever the library says about a damaged file
        refusal = f"it cannot be read as {kind or 'anything known'}: {type(error).__name__}: {error}"
    else:
        return
    (folder / REPLY).unlink(missing_ok=True)
    (folder / REFUSAL).write_text(" ".join(refusal.split())[:1000], encoding="utf-8")


def understand(path: Path, folder: Path, status: int, said: str = "") -> tuple[str, Experience]:
    """What the guarded process left in `folder`, ended with and said on stderr. Raises ExchangeError."""
    if status == 0 and (folder / REFUSAL).is_file():
        raise ExchangeError(f"{path.name}: {(folder / REFUSAL).read_text(encoding='utf-8')}")
    if status or not (folder / REPLY).is_file():
        took_long = status in (-signal.SIGXCPU, -signal.SIGKILL)
        how = "kept its reader busy for too long" if took_long else f"broke its reader ({status})"
        raise ExchangeError(f"{path.name} {how}: it is damaged{_last_line(said) if status > 0 else ''}")
    with np.load(folder / REPLY, allow_pickle=False) as reply:
        columns: dict[str, Any] = {name: reply[name] for name in reply.files}
    kind, notes, told = (str(columns.pop(name)) for name in ("kind", "notes", "origin"))
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in json.loads(told).items()
    }
    return kind, Experience(**columns, origin=Origin(**values), notes=tuple(json.loads(notes)))


def _last_line(said: str) -> str:
    """What a Python error says in the end."""
    return f", or: {said.strip().splitlines()[-1][:200]}" if said.strip() else ""
