"""The server and a database of a test's own."""

from tests.servers.postgres import database, postgres

__all__ = ["database", "postgres"]
