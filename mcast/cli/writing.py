"""Files that a command writes at its end: refused before it begins, and never half written."""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress

from mcast.cli.command import CommandError
from mcast.showing import one_line


def writable(path: str) -> str:
    """Check that a file can be written, before an hour was spent on what goes into it.

    :raises ValueError: it cannot.
    """
    folder = os.path.dirname(path) or "."
    if not path:
        raise ValueError("the name of the file is empty")
    if os.path.isdir(path):
        raise ValueError(f"{path}: this is a folder")
    if not os.path.isdir(folder):
        raise ValueError(f"{path}: there is no folder {folder}")
    if not os.access(path if os.path.exists(path) else folder, os.W_OK):
        raise ValueError(f"{path}: cannot be written")
    return path


def write_file(path: str, text: str) -> None:
    """Write a file whole: whoever reads it meanwhile sees the old one.

    :raises CommandError: it cannot be written.
    """
    # What is no file, such as /dev/stdout, or lies in a folder that is not ours, is written in place.
    in_place = os.path.exists(path) and not (
        os.path.isfile(path) and os.access(os.path.dirname(path) or ".", os.W_OK)
    )
    try:
        if in_place:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(text)
            return
        real = os.path.realpath(path)
        handle, new = tempfile.mkstemp(prefix=".mcast-", dir=os.path.dirname(real))
        try:
            with open(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            mask = os.umask(0)
            os.umask(mask)
            os.chmod(new, 0o666 & ~mask)
            os.replace(new, real)
        except BaseException:
            with suppress(OSError):
                os.unlink(new)
            raise
    except OSError as error:
        raise CommandError(f"{path}: {one_line(error)}") from None
