"""The guarded process: `python -m turn_rl_ros.data.exchange.child PATH KIND FOLDER MEMORY_BYTES SECONDS`."""

import contextlib
import sys
from pathlib import Path

import turn_rl_ros.data.exchange.formats  # noqa: F401  loaded before the limits, which are for the file alone
from turn_rl_ros.data.exchange import guard


def main(path: str, kind: str, folder: str, memory_bytes: str, seconds: str) -> None:
    """Read `path` under limits and leave the answer in `folder`."""
    if kind in ("", "lerobot") and Path(path).is_dir():
        with contextlib.suppress(ImportError):
            import pyarrow.parquet  # noqa: F401
    guard.limit(int(memory_bytes), int(seconds))
    guard.answer(Path(path), kind, Path(folder))


if __name__ == "__main__":
    main(*sys.argv[1:])
