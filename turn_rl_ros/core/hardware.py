"""What a real arm adds to a run: its parameter file, its description from the driver, dry runs and the stand-in."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.core.robot import TOPIC

HARDWARE = {"panda": "panda_hardware.yaml", "ur10": "ur10_hardware.yaml"}
"""Real arm -> its file in config/."""
STAND_IN: dict[str, dict[str, str]] = {
    "panda": {"urdf": "pybullet_data:franka_panda/panda.urdf", "tip_link": "panda_grasptarget"},
    "ur10": {"urdf": "sim:robots/ur10.urdf"},
}
"""`task.robot` -> what of the task is different where the stand-in takes the driver's place."""


def dry_run_folder(run_dir: Path) -> Path:
    """The run directory of a dry run: RUN/dry_run, with the same policies; sessions and ledger of its own.

    So nothing that a dry run records is training data unless somebody copies it, and no budget is used. Raises
    ConfigError.
    """
    folder = run_dir / "dry_run"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        link = folder / "policies"
        if not link.exists() and (run_dir / "policies").is_dir():
            link.symlink_to(Path("..") / "policies")
    except OSError as error:
        raise ConfigError(f"run_dir {folder} cannot be written ({error.strerror}); choose another run_dir") from error
    return folder


def on_the_arm(
    changes: dict[str, dict[str, Any]],
    source: Path,
    run_dir: Path,
    fetch: Callable[[str], str],
    *,
    dry: bool,
    mock: bool,
) -> None:
    """Lay what only a real arm needs over `changes` (node -> parameter -> value) to the parameter file `source`.

    Args:
        changes: what the launch arguments say; changed in place.
        source: the parameter file.
        run_dir: of this run; keeps robot.urdf, what the driver described when the run began.
        fetch: the description on a topic; raises ConfigError when nobody publishes it.
        dry: nothing is sent to the controller.
        mock: the stand-in takes the driver's place.
    """
    task = {**scenario_section(source, "guard", "task"), **changes.get("/**", {}).get("task", {})}
    if mock:
        task |= STAND_IN.get(str(task.get("robot")), {})
        changes.setdefault("guard", {})["ledger"] = ""  # no wear of the arm's
    package, _, topic = str(task.get("urdf", "")).partition(":")
    if package == TOPIC:
        kept = run_dir / "robot.urdf"
        if not kept.is_file():
            replace_file(kept, fetch(topic).encode())
        task["urdf"] = str(kept)
    changes.setdefault("/**", {})["task"] = task
    preflight = changes.setdefault("preflight", {})
    preflight |= {"run_dir": str(run_dir), "dry_run": dry}
    if "window_s" in changes.get("director", {}):
        preflight["window_s"] = changes["director"]["window_s"]
    if dry:  # nothing moves: no way home ends, and joints that stand still are as they should be
        changes.setdefault("guard", {}).update({"dry_run": True, "frozen_travel": 0.0, "ledger": ""})
        changes.setdefault("executor", {})["home_every"] = 0
