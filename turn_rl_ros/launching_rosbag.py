"""A bag of a launch by ROS's own tool, where there is no rosbags for our recorder."""

from datetime import datetime, timezone
from importlib.util import find_spec
from pathlib import Path

from launch.actions import ExecuteProcess

from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import ConfigError
from turn_rl_ros.core.task import make_spec
from turn_rl_ros.nodes.recorder import recorded


def ros2_bag_record(run_dir: Path, namespace: str) -> ExecuteProcess:
    """One bag of the whole launch, with what our recorder would record. Raises ConfigError without ros2bag."""
    if find_spec("ros2bag") is None:
        raise ConfigError("record:=true needs rosbags (pip install 'turn_rl_ros[bags]') or ros2bag (a ROS 2 package)")
    spec = make_spec(scenario_section(run_dir / "scenario.yaml", "recorder", "task"))
    root = f"/{namespace.strip('/')}/" if namespace.strip("/") else "/"
    names = [topic.name if topic.name.startswith("/") else root + topic.name for topic in recorded(spec)]
    papers = {"task_spec": spec.to_json(), "fingerprint": spec.fingerprint()}
    folder = run_dir / "bags" / f"run-{datetime.now(timezone.utc):%Y%m%dT%H%M%S}"
    folder.parent.mkdir(parents=True, exist_ok=True)
    command = ["ros2", "bag", "record", "-s", "mcap", "-o", str(folder), "--disable-keyboard-controls"]
    data = [f"{key}={value}" for key, value in papers.items()]
    return ExecuteProcess(cmd=[*command, "--custom-data", *data, "--topics", *names], name="recorder", output="screen")
