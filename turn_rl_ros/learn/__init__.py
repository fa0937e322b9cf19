"""Offline reinforcement learning in torch: from all sessions so far to a policy artifact."""
