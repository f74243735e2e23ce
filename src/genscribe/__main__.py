"""`python -m genscribe` is the command `genscribe`."""

from __future__ import annotations

from genscribe.cli import main

main()
