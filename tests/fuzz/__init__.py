"""Hostile frames by the million: `python -m tests.fuzz --frames 1000000`; a seeded share runs in `make test`."""
