"""rosbag2 recordings: what is in them, and how they become sessions."""
