"""The documentation site: ``sphinx-build -W -b html docs build/docs``, as CI builds it."""

from __future__ import annotations

import mcast

project = "mcast"
author = "the mcast developers"
copyright = author
version = release = mcast.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns: list[str] = []

html_theme = "furo"
html_title = "mcast"
html_static_path = ["pictures"]
# Nothing is fetched from another host when a page is read.
html_use_opensearch = ""

myst_heading_anchors = 4
myst_enable_extensions = ["attrs_block"]
# Links to files of the repository that are no pages lead to where they lie beside the site's source.
# Configuration of name servers is marked with their names, by which a test takes it from the page.
suppress_warnings = ["myst.xref_missing_download", "misc.highlighting_failure"]

# Docstrings write names in single backquotes.
default_role = "py:obj"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_class_signature = "mixed"
autodoc_default_options = {"members": True, "show-inheritance": True}
