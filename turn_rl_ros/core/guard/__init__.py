"""What stands between a policy and the joints, to be read whole: no learning code, no ROS, no clock.

`guard` decides on each command, by the limits of `limits` and `workspace`; `budget` counts what a window and the arm
may be used, `ledger` keeps that and the e-stop on disk, `config` has every parameter. docs/safety.md says what is
promised.
"""
