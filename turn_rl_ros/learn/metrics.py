"""The course of a training on disk: a JSON line a report, and TensorBoard where it is installed."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import Any


class MetricsLog:
    """Appends what a training tells; use as its `progress`, and as a context manager.

    Lines are `{"step": ..., "steps": ..., <metric>: ...}`; a training that resumes adds to its file.
    """

    def __init__(self, path: Path) -> None:
        """Open `path`, a `.jsonl` file. Raises OSError."""
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = path.open("a", encoding="utf-8")
        self._board: Any = None
        if find_spec("tensorboard") is not None:
            from torch.utils.tensorboard import SummaryWriter

            self._board = SummaryWriter(str(path.with_suffix("")))

    def __call__(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        """Keep one report."""
        self._file.write(json.dumps({"step": step, "steps": steps, **metrics}) + "\n")
        self._file.flush()
        if self._board is not None:
            for name, value in metrics.items():
                self._board.add_scalar(name, value, step)

    def __enter__(self) -> "MetricsLog":
        """Nothing is left to do."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()
