"""No ROS, no torch, no simulator: specs, tasks, the assembler, the guard, the policy runtime and the turn procedure."""
