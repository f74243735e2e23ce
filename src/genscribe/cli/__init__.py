"""The command line: one file a command."""

from __future__ import annotations

import sys


def main() -> None:
    """The command `genscribe`."""
    from genscribe.cli.main import main as run

    sys.exit(run())
