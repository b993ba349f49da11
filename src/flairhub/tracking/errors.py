"""What the tracking room raises."""

from __future__ import annotations

from flairhub.errors import FlairhubError


class TrackingError(FlairhubError, RuntimeError):
    """MLflow cannot be reached or used, or a file that a run is made of breaks its contract."""
