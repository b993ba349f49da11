"""flairhub: the FLAIR-HUB benchmark as one data-versioned, verifiable pipeline."""

__version__ = "0.1.0"
