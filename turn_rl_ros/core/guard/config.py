"""Parameters of the guard. They can only tighten what the robot description allows."""

from dataclasses import dataclass

from turn_rl_ros.core.config import param

NO_FLOOR = -100.0
"""`min_height` below which no arm reaches: not checked."""


@dataclass(frozen=True)
class GuardConfig:
    """Budgets, limits, hold rules and e-stop, in this order. A list has one value a joint; empty: the URDF's limit."""

    window_s: float = param(
        60.0, "robot time of one session, from the first state on", unit="s", low=0.05, high=86400.0
    )
    window_id: str = param(
        "by hand", "the grant that a window draws on: one id is one budget, over all restarts (the director sets it)"
    )
    max_steps: int = param(0, "commands of one grant that may move the arm; 0: no limit", low=0, high=10**9)
    max_episodes: int = param(0, "episodes of one grant; 0: no limit", low=0, high=10**9)
    max_travel: float = param(
        0.0, "travel of any joint in the life of the ledger; 0: no limit", unit="rad or m", low=0.0, high=1e9
    )
    max_reversals: int = param(0, "reversals of any joint in the life of the ledger; 0: no limit", low=0, high=10**9)
    high_load: tuple[float, ...] = param(
        (), "measured effort from which a joint is at high load; empty: not watched", unit="Nm or N", low=0.0, high=1e6
    )
    max_high_load_s: float = param(
        0.0, "time at high load of any joint in the life of the ledger; 0: no limit", unit="s", low=0.0, high=1e9
    )
    run_dir: str = param("runs/latest", "run directory; guard.json in it is the ledger, unless `ledger` says otherwise")
    ledger: str = param(
        "", "file that keeps budgets and e-stop over restarts; for a real arm one for all runs; empty: as run_dir says"
    )
    charge_ahead_s: float = param(
        1.0, "robot time charged before it is used; lost when the guard is killed", unit="s", low=0.1, high=600.0
    )
    position_margin: float = param(
        0.05, "kept clear of each joint's position limits", unit="rad or m", low=0.0, high=1.0
    )
    joint_low: tuple[float, ...] = param((), "lower position limits; empty: the URDF's", unit="rad or m")
    joint_high: tuple[float, ...] = param((), "upper position limits; empty: the URDF's", unit="rad or m")
    velocity_scale: float = param(1.0, "share of each joint's velocity limit that may be used", low=0.01, high=1.0)
    joint_velocity: tuple[float, ...] = param(
        (), "velocity limits; empty: the URDF's", unit="rad/s or m/s", low=1e-4, high=1e6
    )
    max_acceleration: float = param(
        20.0,
        "largest change of a commanded velocity per second; also what braking may count on",
        unit="rad/s^2 or m/s^2",
        low=0.1,
        high=1000.0,
    )
    joint_acceleration: tuple[float, ...] = param(
        (), "acceleration limits; empty: max_acceleration", unit="rad/s^2 or m/s^2", low=0.01, high=1000.0
    )
    max_jerk: float = param(
        0.0, "largest change of that acceleration per second; 0: no limit", unit="rad/s^3 or m/s^3", low=0.0, high=1e6
    )
    latency_s: float = param(
        0.05,
        "velocity control: how long a command may stay in force beyond its period; braking counts on it, "
        "and gives half of it to the executor for its answer",
        unit="s",
        low=0.0,
        high=1.0,
    )
    box_low: tuple[float, ...] = param(
        (), "lower corner of the end effector's workspace, x y z in the base frame; empty: none", unit="m"
    )
    box_high: tuple[float, ...] = param((), "upper corner of the end effector's workspace; empty: none", unit="m")
    min_height: float = param(
        NO_FLOOR,
        f"no joint and no end effector goes below this z of the base frame; {NO_FLOOR:g}: not checked",
        unit="m",
        low=NO_FLOOR,
        high=10.0,
    )
    max_tip_speed: float = param(0.0, "largest speed of the end effector; 0: no limit", unit="m/s", low=0.0, high=10.0)
    silence_periods: int = param(3, "control periods without a command after which the arm is held", low=1, high=100)
    executor_timeout_s: float = param(
        5.0, "no command for so long ends the window (wall clock)", unit="s", low=0.05, high=600.0
    )
    state_timeout_s: float = param(
        1.0,
        "no joint state for so long ends the window (wall clock: the ROS clock may stand still)",
        unit="s",
        low=0.05,
        high=60.0,
    )
    frozen_travel: float = param(
        0.2,
        "joint states that stay the same bit for bit while so much motion was commanded are frozen: held (0: allowed)",
        unit="rad or m",
        low=0.0,
        high=10.0,
    )
    dry_run: bool = param(False, "everything but the command: nothing is published to the controller")
    safety_topic: str = param("", "topic on which the arm's vendor publishes its safety mode; empty: none")
    safety_type: str = param("ur_dashboard_msgs/msg/SafetyMode", "message type of that topic")
    safety_field: str = param("mode", "field of that message to look at")
    safety_normal: tuple[float, ...] = param((1.0,), "values of that field in which the arm may move")
