"""`maskattn-edge`, and `python -m maskattn_edge`, which is the same."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and exit, without a traceback while it is still being imported."""
    try:
        from maskattn_edge.cli.app import main as run
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
