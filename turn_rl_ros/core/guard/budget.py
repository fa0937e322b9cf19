"""Budgets: how long a window lasts, and how much an arm may be used. Counted here, kept by `core.guard.ledger`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from turn_rl_ros.core.decision import NO_EPISODE
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.spec import TaskSpec

Array = NDArray[np.float64]

DEAD_BAND = 1e-3
"""A joint has reversed once it came back by so much, rad or m: encoders flicker."""
WINDOW_SPENT = "window used up"
WEAR_SPENT = "wear budget used up"


class Window:
    """The time budget of a session. It opens with the first joint state and never gets longer."""

    def __init__(self, budget_s: float) -> None:
        self._budget_ns = round(budget_s * 1e9)
        self._opened: tuple[int, int] | None = None
        self._latest_ns = self._used_ns = 0
        self.backwards = False
        """Whether the clock ran backwards: that ends a window, and nothing opens it again."""

    def tick(self, now_ns: int, steady_ns: int | None = None) -> bool:
        """Count time up to `now_ns`; True once the window has to end.

        Args:
            now_ns: stamp of a joint state.
            steady_ns: a clock that nobody can set. It backs the stamps: the longer of the two times counts. None in
                simulated time, where it says nothing.
        """
        if self._opened is None:
            self._opened, self._latest_ns = (now_ns, steady_ns or 0), now_ns
        self.backwards = self.backwards or now_ns < self._latest_ns
        if self.backwards:
            return True
        self._latest_ns = now_ns
        steady_used_ns = 0 if steady_ns is None else steady_ns - self._opened[1]
        self._used_ns = max(self._used_ns, now_ns - self._opened[0], steady_used_ns)
        return self._used_ns >= self._budget_ns

    @property
    def used_s(self) -> float:
        """Seconds since it opened."""
        return self._used_ns / 1e9

    @property
    def left_s(self) -> float:
        """Seconds left, never negative."""
        return max(0, self._budget_ns - self._used_ns) / 1e9


class Budget:
    """What one window uses of a grant (seconds, steps, episodes) and of the arm (travel, reversals, high load).

    A grant is what the director gives for a turn; it goes on where an earlier window of the same `window_id` ended.
    Wear adds up over all windows of a ledger, joint by joint.
    """

    def __init__(self, spec: TaskSpec, config: GuardConfig, grant: Mapping[str, Any], wear: Mapping[str, Any]) -> None:
        """`grant` and `wear` are what the ledger says was used before; an empty one is a fresh one."""
        self._config, self._names, self._rate_hz = config, spec.joint_names, spec.rate_hz
        self._velocity = np.array(spec.joint_velocity)
        self._before_s = float(grant.get("seconds", 0.0))
        self.window = Window(max(0.0, config.window_s - self._before_s))
        self.steps, self.episodes = int(grant.get("steps", 0)), int(grant.get("episodes", 0))
        self._wear_before_s = float(wear.get("seconds", 0.0))
        self._travel, self._reversals, self._high_load = (
            np.array([float(wear.get(key, {}).get(name, 0.0)) for name in self._names])
            for key in ("travel", "reversals", "high_load_s")
        )
        self._episode = NO_EPISODE
        self._last: Array | None = None
        self._last_ns = 0
        self._turn, self._way = np.zeros(len(self._names)), np.zeros(len(self._names))
        self.spent = (WINDOW_SPENT if self.window.left_s <= 0.0 else "") or self._grant_spent() or self._worn()
        """Why the window has to end; empty while it has not."""

    def observe(self, position: Array, effort: Array | None, stamp_ns: int, steady_ns: int | None = None) -> None:
        """Count time, and once a period wear. `position` and `effort` are (n_joints,); no effort: not measured."""
        if self.window.tick(stamp_ns, steady_ns):
            self.spent = self.spent or ("the clock ran backwards" if self.window.backwards else WINDOW_SPENT)
            return
        if self._last is None:
            self._turn = position
        elif stamp_ns - self._last_ns < 0.99e9 / self._rate_hz:
            return
        else:
            self._wear(self._last, position, effort, (stamp_ns - self._last_ns) * 1e-9)
            self.spent = self.spent or self._worn()
        self._last, self._last_ns = position, stamp_ns

    def admits(self, episode: int) -> bool:
        """Whether one more command, of `episode`, may go to the arm; counts it if so, else says in `spent` why not."""
        if episode == NO_EPISODE:
            return True
        begins = episode != self._episode
        self.spent = self.spent or self._grant_spent(begins)
        if self.spent:
            return False
        self._episode = episode
        self.episodes += begins
        self.steps += 1
        return True

    @property
    def used_s(self) -> float:
        """Seconds of the grant that were used, earlier windows included."""
        return self._before_s + self.window.used_s

    def records(self, ahead_s: float = 0.0) -> tuple[dict[str, Any], dict[str, Any]]:
        """Grant and wear for the ledger, as they could stand at most in another `ahead_s` seconds."""
        ticks = int(np.ceil(ahead_s * self._rate_hz))
        seconds = self.used_s + ahead_s
        grant = {
            "seconds": max(self.used_s, min(seconds, self._config.window_s)),
            "steps": self.steps + ticks,
            "episodes": self.episodes + (1 if ticks else 0),
        }
        wear = {
            "seconds": self._wear_before_s + self.window.used_s + ahead_s,
            "travel": self._by_joint(self._travel + ahead_s * self._velocity),
            "reversals": self._by_joint(self._reversals + ticks),
            "high_load_s": self._by_joint(self._high_load + (ahead_s if self._config.high_load else 0.0)),
        }
        return grant, wear

    def _wear(self, last: Array, position: Array, effort: Array | None, passed_s: float) -> None:
        self._travel += np.abs(position - last)
        from_turn = position - self._turn
        back = np.abs(from_turn) > DEAD_BAND
        back &= from_turn * self._way <= 0.0
        self._reversals += back & (self._way != 0.0)
        self._way = np.where(back, np.sign(from_turn), self._way)
        self._turn = np.where(back | (from_turn * self._way > 0.0), position, self._turn)
        if effort is not None and self._config.high_load:
            self._high_load += (np.abs(effort) >= np.array(self._config.high_load)) * passed_s

    def _grant_spent(self, begins: bool = True) -> str:
        """Why no other command is left, or no other episode where one `begins`."""
        if 0 < self._config.max_steps <= self.steps:
            return f"{WINDOW_SPENT}: {self.steps} of {self._config.max_steps} steps"
        if begins and 0 < self._config.max_episodes <= self.episodes:
            return f"{WINDOW_SPENT}: {self.episodes} of {self._config.max_episodes} episodes"
        return ""

    def _worn(self) -> str:
        """Which joint was used as much as it may be."""
        config = self._config
        for what, counts, limit in (
            ("travel", self._travel, config.max_travel),
            ("reversals", self._reversals, config.max_reversals),
            ("seconds at high load", self._high_load, config.max_high_load_s),
        ):
            worst = int(counts.argmax())
            if 0 < limit <= counts[worst]:
                return f"{WEAR_SPENT}: {what} of {self._names[worst]}, {counts[worst]:.6g} of {limit:.6g}"
        return ""

    def _by_joint(self, values: Sequence[float] | Array) -> dict[str, float]:
        return {name: round(float(value), 6) for name, value in zip(self._names, values, strict=True)}
