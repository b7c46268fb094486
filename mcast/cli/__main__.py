"""`python -m mcast.cli` is the `mcast` command."""

import sys

from mcast.cli import main

if __name__ == "__main__":
    sys.exit(main())
