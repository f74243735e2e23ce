"""The brokers, one of each for all tests."""

from tests.servers.kafka import kafka
from tests.servers.nats import nats_server
from tests.servers.redis import redis_server

__all__ = ["kafka", "nats_server", "redis_server"]
