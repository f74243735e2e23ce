"""The command line: one file a command."""

from __future__ import annotations

import sys


def main() -> None:
    """The command `genscribe`."""
    try:
        from genscribe.cli.main import main as run

        sys.exit(run())
    except KeyboardInterrupt:  # during the imports, or while the end is told
        sys.exit(130)
