"""The guard's account: what a window uses is paid for on disk before it is used, so that a kill gives nothing back."""

from pathlib import Path
from typing import Any

from turn_rl_ros.core.guard.budget import Budget
from turn_rl_ros.core.guard.config import GuardConfig
from turn_rl_ros.core.guard.ledger import Ledger
from turn_rl_ros.core.spec import TaskSpec


class Account:
    """The budget of one window after the other, drawn on one ledger."""

    def __init__(self, spec: TaskSpec, config: GuardConfig) -> None:
        """Lock and read the ledger. Raises ConfigError when that cannot be done."""
        self._spec = spec
        self.path = Path(config.ledger or Path(config.run_dir) / "guard.json").expanduser()
        self.ledger = Ledger(self.path, spec.robot)
        self.look(config)

    def look(self, config: GuardConfig) -> None:
        """Draw on the grant that `config` asks for, as it stands now."""
        self._config, self._estop = config, self.ledger.estop
        self._id = config.window_id
        self.budget = Budget(self._spec, config, self.ledger.grant(self._id), self.ledger.wear)

    def changed(self, config: GuardConfig) -> bool:
        """Whether `config` asks for another grant, or the e-stop is not as it was, since the last `look`."""
        asked = config.window_id, config.window_s, self.ledger.estop
        return asked != (self._id, self._config.window_s, self._estop)

    def open(self) -> str:
        """Pay for the window's first seconds; why it may not open, in one line, or nothing."""
        if self.budget.spent:
            return f"{self.budget.spent} (window_id {self._id!r}, ledger {self.path})"
        self.ledger.charge(self._id, *self.budget.records(self._config.charge_ahead_s))
        self.ledger.flush()
        return self.ledger.fault

    def paid(self, wait: bool) -> bool:
        """Whether the robot time used so far is on disk; asks for more in good time.

        `wait` for the disk where the clock is simulated: it may outrun the disk, and waits for it gladly.
        """
        charged_s, ahead_s = self.ledger.charged_s(self._id), self._config.charge_ahead_s
        used_s = self.budget.used_s
        more = charged_s - used_s < 0.5 * ahead_s and charged_s < self._config.window_s
        if more and not self.ledger.busy:
            self.ledger.charge(self._id, *self.budget.records(ahead_s))
        if used_s > charged_s and wait:
            self.ledger.flush()
            charged_s = self.ledger.charged_s(self._id)
        return used_s <= charged_s

    def settle(self) -> None:
        """The window is over: what was paid ahead and not used comes back."""
        self.ledger.charge(self._id, *self.budget.records())
        self.ledger.flush()

    def facts(self) -> dict[str, Any]:
        """How things stand, for `guard/state`."""
        grant, wear = self.budget.records()
        window = self.budget.window
        return {
            "estop": self.ledger.estop,
            "window_id": self._id,
            "window_s": window.used_s + window.left_s,
            "used_s": window.used_s,
            "left_s": window.left_s,
            "spent": self.budget.spent,
            "grant": grant,
            "wear": wear,
        }
