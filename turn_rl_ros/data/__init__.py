"""Sessions on disk and the datasets made of them: no ROS, no torch, no simulator."""
