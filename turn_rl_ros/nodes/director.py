"""Director: walks the turns. Open the window, close it, train, deliver, score, repeat; resumes where it stood."""

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rclpy.node import Node

from turn_rl_ros.core.errors import TurnRlError
from turn_rl_ros.core.evaluation import score_turn
from turn_rl_ros.core.store import PolicyStore, read_parcel
from turn_rl_ros.core.turns import Score, TurnsConfig, walk
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, WARN, Diagnosed, steady_s
from turn_rl_ros.nodes.crew import RosCrew
from turn_rl_ros.nodes.params import declare, declare_task, refuse_unknown
from turn_rl_ros.nodes.peers import Interrupted
from turn_rl_ros.nodes.spin import run_node


class Director(Diagnosed, Node):
    """The procedure runs in a thread of its own, since every step of it waits for somebody."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("director", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, TurnsConfig)
        refuse_unknown(self)
        self.summary: dict[str, Any] = {}
        self.fault = ""
        self.scoring: tuple[int, int] | None = None
        """Held-out goals tried, and how many there are, while a policy is scored."""
        self.said = "starting"
        self._state = topics.publish_on(self, topics.DIRECTOR_STATE)
        self._crew = RosCrew(self, self.spec, self.config, self._evaluate)
        latest = PolicyStore(Path(self.config.run_dir).expanduser()).latest()
        if latest is not None and not self.config.train:  # without a trainer nobody else brings it
            self._policy = topics.publish_on(self, topics.POLICY)
            self._policy.publish(messages.policy_to_message(read_parcel(latest)))
        self._thread = threading.Thread(target=self._walk, name="turns")
        self._thread.start()
        self.start_diagnostics()

    def close(self) -> None:
        """End the procedure where it stands."""
        self._crew.stop()
        self._thread.join()

    def _walk(self) -> None:
        try:
            self.summary = walk(self.config, self._crew, steady_s, self._say)
        except Interrupted as error:
            self._say(str(error))
        except TurnRlError as error:
            self.fault = str(error)
            self.exit_code = 1
            self.get_logger().error(self.fault)
        except Exception as error:
            self.fault = f"this is a bug: {type(error).__name__}: {error}"
            self.exit_code = 1
            raise
        finally:
            self.done = True

    def _say(self, line: str) -> None:
        self.said = line
        self.get_logger().info(line)
        self._state.publish(messages.state_to_message({"message": line}))

    def _evaluate(self, turn: int) -> Score | None:
        if not self.config.evaluate_goals:
            return None
        try:
            return score_turn(self.spec, self.config, turn, self._scored)
        finally:
            self.scoring = None

    def _scored(self, done: int, total: int) -> None:
        self.scoring = (done, total)
        self._crew.check()

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics."""
        level = ERROR if self.fault else WARN if self._crew.note else OK
        return level, self.fault or self._crew.note or self.said, {"run_dir": self.config.run_dir}


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `director`."""
    return run_node(Director, args)
