"""MLflow's switches in the environment."""

from __future__ import annotations

import os

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "WARNING",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",
    "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR": "1",
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
}
"""MLflow reads these when it is imported or at every request. Telemetry is always
off; the rest is a default that the user's own environment overrides (MLflow's own time-outs add up to a quarter of an
hour; its runner of background jobs takes 240 MB in the UI)."""


def configure_environment() -> None:
    """Set MLflow's switches; to be called before its first import."""
    for key, value in _ENVIRONMENT.items():
        if key == "MLFLOW_DISABLE_TELEMETRY":
            os.environ[key] = value
        else:
            os.environ.setdefault(key, value)
