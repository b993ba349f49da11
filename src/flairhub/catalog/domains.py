"""Domains of the published splits."""

from __future__ import annotations

PUBLISHED_TEST_DOMAINS = frozenset(
    {
        *("D012", "D015", "D022", "D026", "D036", "D061", "D064", "D068"),
        *("D069", "D071", "D073", "D075", "D076", "D083", "D084", "D085"),
    }
)
"""Domains whose patches are test in `split_1`; no other split has any of them.

Source: first fold of public loaders of the data set, in agreement with the test domains of the official toy CSV files.
"""
