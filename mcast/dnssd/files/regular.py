"""Regular files, read without waiting and within a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOCTTY", "O_BINARY"):
    # Not every system has each of them.
    _FLAGS |= getattr(os, _name, 0)


def read_regular(path: str | Path, limit: int) -> bytes:
    """Return what is in a file, one octet more than ``limit`` at most.

    A FIFO or a device is not waited for: it is refused, and nothing is taken out of it.

    :raises OSError: it cannot be read, or is no regular file.
    """
    with open(os.open(path, _FLAGS), "rb") as file:
        mode = os.fstat(file.fileno()).st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):
            raise OSError(errno.EINVAL, "Not a regular file", str(path))
        return file.read(limit + 1)
