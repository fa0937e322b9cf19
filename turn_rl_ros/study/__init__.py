"""Studies: what a choice is worth in robot-minutes, walked in process by the same turn procedure as over ROS."""
