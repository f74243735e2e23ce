"""The writer's thread: it turns the writer, and sleeps on a condition variable while there is nothing to do."""

from __future__ import annotations

import threading
import time

from genscribe.errors import StoreFailed
from genscribe.store.reports import Broke
from genscribe.store.writer import Writer


class WriterThread:
    """Turns a writer in a thread of its own, woken by a condition variable."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._condition = threading.Condition()
        self._awake = False
        self._thread = threading.Thread(target=self._run, name="genscribe-writer", daemon=True)
        self.turned_at = time.monotonic()
        """Monotonic time of the last turn."""
        self.resting = False
        """It has nothing to do."""

    def start(self) -> None:
        """Begins."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        with self._condition:
            if not self._awake:
                self._awake = True
                self._condition.notify()

    def stop(self) -> None:
        """Asks it to finish."""
        self._writer.closing = True
        self.wake()

    def join(self) -> None:
        """Waits until it has ended. Blocks the thread that calls."""
        self._thread.join()

    def _run(self) -> None:
        writer = self._writer
        try:
            while not writer.closing:
                self.turned_at = time.monotonic()
                rest = writer.turn(self.turned_at)
                if rest == 0:
                    continue
                with self._condition:
                    if not self._awake:
                        self.resting = True
                        self._condition.wait(rest)
                        self.resting = False
                    self._awake = False
            writer.finish()
        except StoreFailed as error:
            writer.report(Broke(error))
        except BaseException as error:  # noqa: BLE001  # nobody else would see the end of this thread
            writer.report(Broke(StoreFailed(f"The store's writer ended: {type(error).__name__}: {error}.")))
        finally:
            writer.opened.db.close(True)
