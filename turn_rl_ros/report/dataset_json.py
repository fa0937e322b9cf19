"""The quality of a dataset as plain JSON values, for machines."""

from dataclasses import asdict
from typing import Any

import numpy as np

from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.data.quality import Quality
from turn_rl_ros.data.quality.finding import Finding


def quality_json(data: Dataset, quality: Quality) -> dict[str, Any]:
    """Everything but the points of the plots. What nobody could measure is null."""
    found: dict[str, Any] = {
        "task": data.spec.task,
        "fingerprint": data.spec.fingerprint(),
        "manifest_sha256": data.manifest_sha256,
        "rows": len(data),
        "robot_seconds": data.seconds,
        "score": quality.score.total,
        "enough": quality.score.enough,
        "verdict": quality.score.verdict,
        "parts": [asdict(part) | {"points": part.points} for part in quality.score.parts],
        "sessions": [asdict(line) for line in quality.sessions],
        "policies": [asdict(line) for line in quality.policies],
        "findings": [_finding(one) for one in quality.findings],
        "skipped": quality.skipped,
        "joints": [asdict(joint) for joint in quality.motion],
        "coverage": None,
        "drift": asdict(quality.drift) if quality.drift else None,
    }
    if quality.coverage:
        found["coverage"] = {
            "cells": [
                {"name": c.name, "occupied": c.occupied, "reference": c.reference, "against": c.against}
                for c in quality.coverage.cells
            ],
            "nearest": quality.coverage.quantiles(),
            "supported": quality.coverage.supported,
        }
    return dict(_plain(found))


def _finding(one: Finding) -> dict[str, Any]:
    values = asdict(one)
    del values["spans"]
    return values | {"severity": one.severity.name.lower()}


def _plain(value: Any) -> Any:
    """Numbers, texts, lists and dicts alone; NaN and infinities as None."""
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, float | np.floating):
        return float(value) if np.isfinite(value) else None
    return value.item() if isinstance(value, np.generic) else value
