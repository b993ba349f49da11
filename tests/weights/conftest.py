"""Repeatable arithmetic for every test of this folder."""

from tests.models.conftest import _one_thread, _seed  # noqa: F401 - fixtures of this folder too
