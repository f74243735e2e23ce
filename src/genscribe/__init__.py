"""Live Genesys Cloud transcripts, committed and delivered."""

__version__ = "0.1.0"
