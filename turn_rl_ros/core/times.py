"""Spans of time as people write them."""

import re

from turn_rl_ros.core.errors import ConfigError

UNITS = {"": 1.0, "s": 1.0, "min": 60.0, "h": 3600.0}


def seconds(text: str, name: str = "time") -> float:
    """Seconds in "600", "90s", "10min" or "1.5h". Raises ConfigError that calls the value `name`."""
    found = re.fullmatch(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([a-z]*)\s*", text)
    if found is None or found[2] not in UNITS:
        raise ConfigError(f"{name} = {text!r} is no time; write it as 600, 90s, 10min or 1.5h")
    return float(found[1]) * UNITS[found[2]]
