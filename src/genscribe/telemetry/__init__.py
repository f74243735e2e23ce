"""What a person would act on: one class a happening, which is its log line and its counter."""

from genscribe.telemetry.base import Counters, Happening, Telemetry

__all__ = ["Counters", "Happening", "Telemetry"]
