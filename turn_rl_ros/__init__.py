"""Learn a robot-arm policy in turns: record a short session, train offline, deliver, repeat."""

__version__ = "0.1.0"
