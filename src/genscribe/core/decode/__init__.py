"""One file a wire format: bytes to events; total, never raises."""
