"""How many pieces of work run at once."""

import threading
import time


class Crowd:
    """Work that counts how many threads do it at the same time: `most` of them, at most."""

    def __init__(self):
        self.most, self._now, self._lock = 0, 0, threading.Lock()

    def __call__(self, data, k):
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
        time.sleep(0.02)
        with self._lock:
            self._now -= 1
