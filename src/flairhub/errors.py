"""Root of the package's exceptions.

Every error that a user can cause or repair derives from `FlairhubError` and says, in this order: the
thing, what was expected of it, what was found, and the fix. `cli/` and `stages/` print it without a
traceback and exit non-zero; anything else is a bug and keeps its traceback.
"""

from __future__ import annotations


class FlairhubError(Exception):
    """An error whose message is written for the user."""


class ConfigurationError(FlairhubError, ValueError):
    """A parameter, profile or local setting is not acceptable."""


class DataError(FlairhubError, ValueError):
    """A file of the data set breaks its contract."""


class MissingFileError(FlairhubError, FileNotFoundError):
    """A file that should exist does not."""


class IntegrityError(FlairhubError, ValueError):
    """Bytes differ from the checksum that was recorded for them."""


class TrackingError(FlairhubError, RuntimeError):
    """MLflow cannot be reached or used, or a file that a run is made of breaks its contract."""
