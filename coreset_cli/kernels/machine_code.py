"""Machine code of loops: numba makes it, and keeps it on disk for the next run where it can."""

from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from pathlib import Path
from types import FunctionType
from typing import Any

import numba
from numba.core.caching import FunctionCache, IndexDataCacheFile

from coreset_cli.kernels import loops

__all__ = ["both", "machine_code"]

Loop = Callable[..., Any]


def machine_code(**options: Any) -> Callable[[Loop], Loop]:
    """Compile a loop when it is first called, or take what an earlier run compiled.

    Where nothing can be kept (the installation and the home folder are read-only, the disk is
    full) or what was kept is damaged, it is compiled again: that takes seconds, and is no error.

    Args:
        options: of numba.
    """

    def compiled(function: Loop) -> Loop:
        loop: Any = numba.njit(nogil=True, **options)(function)
        with suppress(RuntimeError):  # no folder can be written
            loop._cache = _Cache(function)
        return loop

    return compiled


def both(function: FunctionType) -> dict[bool, Loop]:
    """A loop for the caller's thread alone (False) and for all threads (True).

    Numba tells what it keeps apart by the name of the function and the types of its arguments, and
    would take one for the other: so they have two names.
    """
    named = FunctionType(function.__code__, function.__globals__, function.__name__)
    named.__qualname__ = f"{function.__qualname__}_on_all_threads"
    return {False: machine_code()(function), True: machine_code(parallel=True)(named)}


class _Cache(FunctionCache):
    """What earlier runs compiled; no failure of it ends a run.

    Numba looks whether the file of a loop has changed; the constants of `loops`, which are compiled
    into it, are looked at here.
    """

    def __init__(self, function: Loop) -> None:
        super().__init__(function)
        constants = sha256(Path(loops.__file__).read_bytes()).hexdigest()
        self._cache_file = IndexDataCacheFile(
            cache_path=self._cache_path,
            filename_base=self._impl.filename_base,
            source_stamp=(self._impl.locator.get_source_stamp(), constants),
        )

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """What was compiled for these types of arguments; nothing where there is nothing sound."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # noqa: BLE001 (whatever pickle and LLVM make of damaged bytes)
            with suppress(Exception):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep what was compiled, if it can be."""
        with suppress(Exception):
            super().save_overload(sig, data)
