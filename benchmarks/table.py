"""The form in which benchmarks report is the studies'."""

from turn_rl_ros.study.table import Row, report, row

__all__ = ["Row", "report", "row"]
