"""What `turn-rl evaluate` scores: from a path that a user types to a checked policy and its task."""

from pathlib import Path

from turn_rl_ros.core.artifact import Artifact, open_artifact
from turn_rl_ros.core.config import scenario_section
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.scenario import SCENARIOS, scenario_file
from turn_rl_ros.core.spec import TaskSpec
from turn_rl_ros.core.store import PolicyStore
from turn_rl_ros.core.task import make_spec


def find_policy(target: Path) -> Path:
    """The policy file that `target` means: itself, or the latest policy of a run directory. Raises TurnRlError."""
    if target.is_file():
        return target
    if not target.is_dir():
        raise TurnRlError(
            f"{target} does not exist; give a run directory or a policy file (RUN/policies/*.safetensors)"
        )
    latest = PolicyStore(target).latest()
    if latest is None:
        raise TurnRlError(f"{target} has no policy yet (policies/turn-*.safetensors); the first turn trains one")
    return latest


def find_spec(policy: Path, env: str | None, params_file: Path | None) -> TaskSpec:
    """The task to score on: what the user says, or else the scenario of the run that the policy lies in.

    Raises:
        TurnRlError: nothing says which task it is, or the scenario cannot be read.
    """
    if env and env not in SCENARIOS:
        raise TurnRlError(f"env = {env!r}; known: {', '.join(SCENARIOS)}")
    scenario = params_file or (scenario_file(env) if env else policy.resolve().parents[1] / "scenario.yaml")
    if not (params_file or env or scenario.is_file()):
        raise TurnRlError(
            f"nothing says which task {policy} is for: it lies in no run directory; add --env or --params-file"
        )
    return make_spec(scenario_section(scenario, "executor", "task"), str(scenario))


def read_policy(path: Path, spec: TaskSpec) -> Artifact:
    """The policy, checked as the executor checks it. Raises TurnRlError."""
    try:
        return open_artifact(path.read_bytes(), spec)
    except OSError as error:
        raise TurnRlError(f"the policy {path} cannot be read ({error.strerror})") from error
