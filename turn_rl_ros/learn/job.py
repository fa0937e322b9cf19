"""One training with everything around it: resume, the course on disk, the choice among seeds, the story."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.files import replace_file
from turn_rl_ros.data.dataset import Dataset
from turn_rl_ros.learn.engine import Progress
from turn_rl_ros.learn.metrics import MetricsLog
from turn_rl_ros.learn.selection import Decision, check_rule, decide
from turn_rl_ros.learn.settings import Settings
from turn_rl_ros.learn.train import train


def run_job(
    dataset: Dataset,
    settings: Settings,
    folder: Path,
    *,
    turn: int,
    seed: int,
    deployed: bytes | None = None,
    robot_return: Callable[[bytes], float] | None = None,
    progress: Progress | None = None,
    stop: Callable[[], bool] | None = None,
) -> Decision:
    """Train all seeds and choose what to deliver.

    A job that was killed goes on where it stood when it is started again with the same dataset and settings.

    Args:
        dataset: all sessions of one task.
        settings: how to learn and to choose.
        folder: `turn-NNN.jsonl` (metrics), `turn-NNN.json` (the decision's story) and, of several seeds, each one's
            artifact go here.
        turn: the turn whose session the policy is for.
        seed: the first seed.
        deployed: the artifact on the robot now, for the gate.
        robot_return: drives a policy and gives its mean return; what the rule `robot` chooses by.
        progress: told (step, steps, metrics).
        stop: asked before every step.

    Raises:
        Stopped: `stop` said so.
        TurnRlError: no policy came of it, or the disk refuses.
    """
    rule = settings.selection.deploy
    check_rule(settings.selection, dataset.spec, robot_return is not None)  # before hours of training, not after
    name = f"turn-{turn:03d}"
    try:
        with MetricsLog(folder / f"{name}.jsonl") as log:

            def tell(step: int, steps: int, metrics: Mapping[str, float]) -> None:
                log(step, steps, metrics)
                if progress is not None:
                    progress(step, steps, metrics)

            trained = train(
                dataset,
                settings.learning,
                settings.own,
                turn=turn,
                seed=seed,
                progress=tell,
                stop=stop,
                checkpoint=folder / "checkpoint.safetensors",
            )
        if len(trained.artifacts) > 1:
            for one, blob in trained.artifacts.items():
                replace_file(folder / f"{name}-seed-{one}.safetensors", blob)
        returns = None
        if rule == "robot" and robot_return is not None:
            returns = {one: robot_return(blob) for one, blob in trained.artifacts.items()}
        decision = decide(
            trained,
            dataset,
            settings.learning,
            settings.selection,
            deployed,
            robot_returns=returns,
            progress=progress,
            stop=stop,
        )
        replace_file(folder / f"{name}.json", json.dumps(decision.story, indent=1).encode())
    except OSError as error:
        raise TurnRlError(f"cannot write into {folder}: {error.strerror}; make room, then train again") from error
    return decision
