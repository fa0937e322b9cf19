"""What `turn-rl` can do, one file a group of commands."""
