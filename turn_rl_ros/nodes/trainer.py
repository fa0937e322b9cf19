"""Trainer: everything recorded so far becomes the next policy, kept on disk and published latched."""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import Trigger

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.signature import SigningKey
from turn_rl_ros.core.store import PolicyStore, read_parcel
from turn_rl_ros.data.dataset import Loader
from turn_rl_ros.data.manifest import sealed_files
from turn_rl_ros.learn.algorithms import ALGORITHMS, find_algorithm
from turn_rl_ros.learn.config import TrainerConfig
from turn_rl_ros.learn.job import run_job
from turn_rl_ros.learn.selection import SelectionConfig
from turn_rl_ros.learn.settings import Settings
from turn_rl_ros.learn.train import Stopped
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, Diagnosed, steady_s
from turn_rl_ros.nodes.params import declare, declare_task, refuse_unknown
from turn_rl_ros.nodes.spin import run_node

PROGRESS_PERIOD_S = 0.2


@dataclass(frozen=True)
class TrainerNodeConfig:
    """Where the trainer works; how it learns is `learn.config.TrainerConfig`."""

    run_dir: str = param("runs/latest", "run directory; reads sessions/, writes policies/")
    seed: int = param(0, "seed of initial weights and batches", low=0, high=2**31 - 1)
    private_key: str = param("", "PEM file of the Ed25519 key that signs policies; empty: not signed")
    once: bool = param(False, "train on what is there, publish, and exit")


class Trainer(Diagnosed, Node):
    """Trains in a thread of its own, so that the node stays answerable; the arm may be gone meanwhile."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("trainer", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, TrainerNodeConfig)
        learning, selection = declare(self, TrainerConfig), declare(self, SelectionConfig)
        own: dict[str, Any] = {
            name: declare(self, kind.Config, f"{name}.")
            for name, kind in ALGORITHMS.items()
            if kind.discrete == self.spec.discrete
        }
        find_algorithm(learning.algorithm, self.spec.discrete)
        self._settings = Settings(learning, own[learning.algorithm], selection)
        refuse_unknown(self)
        self._run_dir = Path(self.config.run_dir).expanduser()
        self._store = PolicyStore(self._run_dir)
        self._sessions = Loader(self._run_dir / "sessions", self.spec)
        self._key = SigningKey(Path(self.config.private_key)) if self.config.private_key else None
        self.facts: dict[str, Any] = {"phase": "idle"}
        """What the training is at; replaced as a whole, so that another thread may read it."""
        self._thread: threading.Thread | None = None
        self._begun_with: list[Path] = []
        self._stopping = threading.Event()
        self._policy = topics.publish_on(self, topics.POLICY)
        self._state = topics.publish_on(self, topics.TRAINER_STATE)
        self._published: dict[str, Any] = {}
        self.create_service(Trigger, topics.TRAIN_SERVICE, self._on_train)
        self.create_timer(PROGRESS_PERIOD_S, self._report, clock=Clock(clock_type=ClockType.STEADY_TIME))
        latest = self._store.latest()
        if latest is not None:
            self._policy.publish(messages.policy_to_message(read_parcel(latest)))
        self._report()
        self.start_diagnostics()
        if self.config.once:
            self._start()

    def close(self) -> None:
        """Stop a running training; the policy that is deployed stays."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()

    def _on_train(self, request: Trigger.Request, response: Trigger.Response) -> Trigger.Response:
        busy = self._thread is not None and self._thread.is_alive()
        # With no session since, it is the same request once more: its answer was lost.
        refused = busy and sealed_files(self._run_dir / "sessions") != self._begun_with
        if not busy:
            self._start()
        response.success, response.message = not refused, "a training is running" if refused else "training"
        return response

    def _start(self) -> None:
        self._begun_with = sealed_files(self._run_dir / "sessions")
        self.facts = {"phase": "training", "step": 0, "steps": self._settings.learning.steps}
        self._report()
        self._thread = threading.Thread(target=self._train, name="training")
        self._thread.start()

    def _train(self) -> None:
        started = steady_s()
        try:
            dataset = self._sessions.load()
            turn = max(info.facts["turn"] for info in dataset.sessions) + 1
            latest = self._store.latest()
            decision = run_job(
                dataset,
                self._settings,
                self._run_dir / "training",
                turn=turn,
                seed=self.config.seed,
                deployed=latest.read_bytes() if latest else None,
                progress=self._progress,
                stop=self._stopping.is_set,
            )
            why = decision.story["why"]
            if decision.blob is None:
                self.facts = {"phase": "withheld", "message": why}
                self.get_logger().warning(f"no new policy, the deployed one stays: {why}")
                return
            path = self._store.save(turn, decision.blob, self._key)
            self._policy.publish(messages.policy_to_message(read_parcel(path)))
            self.facts = {"phase": "done", "turn": turn, "file": str(path), "why": why, "seconds": steady_s() - started}
            self.get_logger().info(
                f"policy of turn {turn} from {len(dataset)} transitions in {steady_s() - started:.0f} s: {path}; {why}"
            )
        except Stopped:
            self.facts = {"phase": "stopped"}
        except TurnRlError as error:
            self.facts = {"phase": "failed", "message": str(error)}
            self.get_logger().error(f"no new policy, the deployed one stays: {error}")
        except Exception as error:  # the thread's last line of defence: a silent death would stall the turn for ever
            self.facts = {"phase": "failed", "message": f"{type(error).__name__}: {error}"}
            self.get_logger().error(f"no new policy, the deployed one stays; this is a bug: {error!r}")
            raise
        finally:
            self._report()
            if self.config.once:
                self.exit_code = 0 if self.facts["phase"] in ("done", "withheld") else 1
                self.done = True

    def _progress(self, step: int, steps: int, metrics: Mapping[str, float]) -> None:
        self.facts = {
            "phase": "training",
            "step": step,
            "steps": steps,
            "metrics": {k: float(v) for k, v in metrics.items()},
        }

    def _report(self) -> None:
        """Publish the state when it has changed; the training thread only leaves it to be seen."""
        facts = self.facts
        if facts is not self._published:
            self._published = facts
            self._state.publish(messages.state_to_message(facts))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        facts = self.facts
        return (ERROR if facts["phase"] == "failed" else OK), str(facts["phase"]), facts


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `trainer`."""
    return run_node(Trainer, args)
