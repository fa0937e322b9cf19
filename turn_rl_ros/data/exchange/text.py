"""JSON that others wrote: bounded, and an object or an error."""

import json
from pathlib import Path
from typing import Any

from turn_rl_ros.data.exchange.checks import ExchangeError

MAX_BYTES = 16 * 2**20


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ExchangeError."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ExchangeError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > MAX_BYTES:
        raise ExchangeError(f"{path.name} is longer than {MAX_BYTES} bytes")
    return parse(content, path.name)


def parse(content: str | bytes, where: str) -> dict[str, Any]:
    """The object in a JSON text. Raises ExchangeError that names `where`."""
    try:
        values = json.loads(content)
    except (ValueError, TypeError, RecursionError) as error:
        raise ExchangeError(f"{where} is not JSON: {str(error).splitlines()[0]}") from error
    if not isinstance(values, dict):
        raise ExchangeError(f"{where} is not a JSON object")
    return values
