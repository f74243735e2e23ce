"""Tells systemd how we are (sd_notify(3)): a datagram to the socket that `NOTIFY_SOCKET` names, if it names one."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from contextlib import suppress

READY = "READY=1"
STOPPING = "STOPPING=1"
ALIVE = "WATCHDOG=1"


def notify(state: str, *, environ: Mapping[str, str] | None = None) -> bool:
    """Sends a state such as `READY`; never blocks, never raises. Whether it was sent.

    Args:
        state: One or more `NAME=VALUE` lines.
        environ: `None` = this process's. A path, or `@NAME` for Linux's abstract sockets.
    """
    address = (os.environ if environ is None else environ).get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    with suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
        sender.setblocking(False)
        sender.sendto(state.encode(), address)
        return True
    return False


def watchdog_s(*, environ: Mapping[str, str] | None = None) -> float | None:
    """Seconds between two `ALIVE`, half of what `WatchdogSec=` allows; `None` = systemd does not ask for them."""
    environ = os.environ if environ is None else environ
    allowed_us = environ.get("WATCHDOG_USEC", "")
    meant = environ.get("WATCHDOG_PID", str(os.getpid()))
    if not (allowed_us.isascii() and allowed_us.isdigit()) or meant != str(os.getpid()) or int(allowed_us) == 0:
        return None
    return int(allowed_us) / 2e6
