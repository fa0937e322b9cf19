"""What can go wrong with sessions on disk, each as one clear line."""

from turn_rl_ros.core.errors import TurnRlError


class SessionError(TurnRlError):
    """A session could not be written or sealed; what was flushed before stays in the `.part` file."""


class SessionExists(SessionError):
    """The name of a session is taken; a session file is never overwritten."""


class DirectoryBusy(SessionError):
    """Another process records into this directory."""


class DatasetError(TurnRlError):
    """A session file or a directory of them cannot be read as a dataset."""


class NothingChosen(DatasetError):
    """No transition fits a choice."""


class SyncError(TurnRlError):
    """Sessions cannot travel to or from a store; what has arrived is whole, and trying again is safe."""
