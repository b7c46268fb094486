"""Tests of mcast; the folders mirror the package.

What is deprecated is an error when our own code uses it, at import as in a test.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path

# Trial tells again, after each test, what the test was warned of, and knows the file then, and no module.
_folders = "|".join(re.escape(str(Path(__file__).resolve().parents[1] / name)) for name in ("mcast", "tests"))
for _module in (r"(mcast|tests)(\.|$)", rf"({_folders})[/\\]"):
    warnings.filterwarnings("error", category=DeprecationWarning, module=_module)
