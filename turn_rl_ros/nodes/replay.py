"""Replay: recordings back onto the topics, with /clock. What moves an arm is never published."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from std_srvs.srv import SetBool

from turn_rl_ros.core.config import param
from turn_rl_ros.core.errors import ConfigError, TurnRlError
from turn_rl_ros.data.replay import Moment, Window, skip, windows
from turn_rl_ros.nodes import messages, topics
from turn_rl_ros.nodes.base import ERROR, OK, Diagnosed, steady_s
from turn_rl_ros.nodes.params import declare, declare_task, follow_changes, refuse_unknown
from turn_rl_ros.nodes.playback import Playback
from turn_rl_ros.nodes.recording import Recording
from turn_rl_ros.nodes.spin import run_node

TICK_S = 0.005
BURST = 5
"""States a tick at most: 1,000 a second, for which the depth of `topics.STREAM` is made."""
LONGEST_TICK_S = 0.05
"""A process that was held up plays on from where it was."""
LOOK_S = 0.2
"""How often to look who else is there."""
SETTLE_S = 1.0
"""Wait for the graph to show who is there."""


@dataclass(frozen=True)
class ReplayConfig:
    """Parameters of the replay."""

    source: str = param("", "what to replay: a session file, a directory of sessions, a run directory, or a bag")
    mapping: str = param("", "mapping file of a bag, as `turn-rl bag mapping` drafts it")
    rate: float = param(
        1.0, "recorded seconds a second; 0: 1,000 states a second, as many as a collector takes", low=0.0, high=1000.0
    )
    start_s: float = param(0.0, "recorded time that is left out at the beginning", unit="s", low=0.0, high=1e6)
    loop: bool = param(False, "begin anew at the end")
    paused: bool = param(False, "begin paused; the service replay/pause goes on")
    record: bool = param(False, "let the collector record each window anew")
    listeners: int = param(0, "wait for so many nodes that listen to guard/executed", low=0, high=100)


class Replay(Diagnosed, Node):
    """Plays window after window. Refuses to where an arm, a guard or another clock can be heard."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__("replay", **kwargs)
        self.spec = declare_task(self)
        self.config = declare(self, ReplayConfig)
        refuse_unknown(self)
        follow_changes(self)
        if not self.config.source:
            raise ConfigError("replay: source is empty; give a session file, a directory of sessions, or a bag")
        if self.config.loop and self.config.record:
            raise ConfigError("replay: loop and record exclude each other: the same session would be recorded for ever")
        self._windows = self._open_source()
        self._window: Window | None = next(self._windows, None)
        if self._window is None:
            raise ConfigError(f"replay: start_s = {self.config.start_s:g} leaves nothing of {self.config.source}")
        self._out = Playback(self, self.spec)
        self._recording = Recording(self) if self.config.record else None
        self.fault = ""
        self.paused = self.config.paused
        self._phase, self._played_ns = "waiting", 0.0
        self._began_s = self._looked_s = steady_s()
        self._state = topics.publish_on(self, topics.REPLAY_STATE)
        self.create_service(SetBool, topics.PAUSE_SERVICE, self._on_pause)
        self.create_timer(TICK_S, self._tick, clock=Clock(clock_type=ClockType.STEADY_TIME))
        self.start_diagnostics()

    def close(self) -> None:
        """Close the window that is open: whoever records seals."""
        if self._phase == "playing" and self._window is not None:
            played = self._window.until(self._window.first_ns + round(self._played_ns))
            self._out.close(played or self._window, "the replay was stopped")

    def _open_source(self) -> Iterator[Window]:
        source = Path(self.config.source).expanduser()
        return skip(windows(source, self.spec, self.config.mapping), self.config.start_s)

    def _tick(self) -> None:
        try:
            if self._window is not None:
                self._look_around()
                self._step(self._window)
        except TurnRlError as error:
            self.fault, self.exit_code = str(error), 1
            self.get_logger().error(self.fault)
            self._finish()

    def _look_around(self) -> None:
        """Raise TurnRlError where an arm, its guard or another clock is: their listeners must not hear both."""
        if steady_s() - self._looked_s < LOOK_S:
            return
        self._looked_s = steady_s()
        if rival := self._out.rival():
            raise TurnRlError(f"somebody else publishes {rival}; replay in another namespace and ROS_DOMAIN_ID")

    def _step(self, window: Window) -> None:
        """Wait until the window may begin, play it, wait until it is recorded, go to the next."""
        if self._phase == "waiting":
            if self._may_begin(window):
                self._begin(window)
        elif self._phase == "playing":
            self._play(window)
        elif self._recording is None or self._recording.sealed:
            self._next_window()

    def _may_begin(self, window: Window) -> bool:
        wanted = max(self.config.listeners, int(self.config.record))
        if steady_s() - self._began_s < SETTLE_S or self._out.listeners < wanted:
            return False
        if self._recording is None:
            return True
        if not self._recording.began:
            self._out.policy(window)
            self._out.state(next(window.moments()))  # the collector records only an arm and a guard that it hears
            self._out.probe()
        return self._recording.ask()

    def _begin(self, window: Window) -> None:
        self._moments = window.moments()
        self._moment: Moment | None = next(self._moments)
        self._played_ns, self._ticked_s = 0.0, steady_s()
        self._phase = "playing"
        self._out.open(window)
        self.get_logger().info(f"{window.name}: {(window.until_ns - window.first_ns) / 1e9:.1f} s")
        self._say()

    def _play(self, window: Window) -> None:
        now_s, rate = steady_s(), self.config.rate
        passed_s, self._ticked_s = min(now_s - self._ticked_s, LONGEST_TICK_S), now_s
        if self.paused:
            return
        self._played_ns += passed_s * rate * 1e9
        for _ in range(BURST):
            if self._moment is None:
                self._out.close(window)
                self._phase = "closing"
                return
            ahead_ns = self._moment.stamp_ns - window.first_ns
            if rate and ahead_ns > self._played_ns:
                return
            self._played_ns = max(self._played_ns, ahead_ns)
            self._out.moment(self._moment)
            self._moment = next(self._moments, None)

    def _next_window(self) -> None:
        self._window = next(self._windows, None)
        if self._window is None and self.config.loop:
            self._windows = self._open_source()
            self._window = next(self._windows, None)
        if self._window is None:
            self._finish()
            return
        self._phase = "waiting"
        if self._recording is not None:
            self._recording.again()

    def _finish(self) -> None:
        self.close()
        self._phase, self._window, self.done = "done", None, True
        self._say()

    # What it says

    def _on_pause(self, request: SetBool.Request, response: SetBool.Response) -> SetBool.Response:
        self.paused, response.success = request.data, True
        self._say()
        response.message = self._said
        return response

    @property
    def _said(self) -> str:
        return "paused" if self.paused and self._phase == "playing" else self._phase

    def _facts(self) -> dict[str, Any]:
        window = self._window
        return {
            "phase": self._said,
            "recording": window.name if window else "",
            "played_s": round(self._played_ns / 1e9, 3),
            "of_s": (window.until_ns - window.first_ns) / 1e9 if window else 0.0,
            "fault": self.fault,
        }

    def _say(self) -> None:
        self._state.publish(messages.state_to_message(self._facts()))

    def status(self) -> tuple[bytes, str, Mapping[str, Any]]:
        """For /diagnostics; on its own topic as well, once a second."""
        self._say()
        return (ERROR if self.fault else OK), self.fault or self._said, self._facts()


def main(args: Sequence[str] | None = None) -> int:
    """Console entry `replay`."""
    return run_node(Replay, args)
