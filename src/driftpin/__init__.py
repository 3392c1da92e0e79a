"""driftpin pins the context an AI coding chat runs on."""

__version__ = "0.1.0"
