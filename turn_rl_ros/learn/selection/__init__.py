"""Between training and delivery, without the robot: what a policy is worth, which one goes, whether it may."""

from turn_rl_ros.learn.selection.choose import Decision, check_rule, decide
from turn_rl_ros.learn.selection.config import SelectionConfig

__all__ = ["Decision", "SelectionConfig", "check_rule", "decide"]
