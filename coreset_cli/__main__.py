"""`python -m coreset_cli` and the console script `coreset`."""

import os
import sys

__all__ = ["main"]


def main() -> None:
    """Run the command line and leave with its exit code."""
    # Read by OpenMP when torch loads: threads that wait for work sleep instead of spinning, which
    # on cores shared with other processes was fifteen times slower.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault(
        "GOMP_SPINCOUNT", "10000"
    )  # some microseconds: less than a thread's sleep
    from coreset_cli.cli.app import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
