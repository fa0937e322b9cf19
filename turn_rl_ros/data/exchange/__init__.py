"""Other people's datasets in, ours out: D4RL, Minari, robomimic, LeRobot v3 and d3rlpy over one form in memory."""
