"""The version, in the one place that packaging, `--version` and the User-Agent read."""

__version__ = "0.1.0"
