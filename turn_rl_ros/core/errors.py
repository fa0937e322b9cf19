"""The errors that reach a user: one line each, saying what was wrong, where, and what to do."""


class TurnRlError(Exception):
    """Base of every error this package raises on purpose; its text is one line, fit for a terminal."""


class ConfigError(TurnRlError):
    """A parameter is unknown, of the wrong type or out of range."""


class SpecMismatch(TurnRlError):
    """Data, a policy or a robot belongs to another task than the one at hand."""


class PolicyRejected(TurnRlError):
    """A policy artifact failed one of the checks that come before it may move an arm."""
