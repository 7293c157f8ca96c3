"""Sphinx configuration: pages in MyST Markdown, the API from docstrings."""

import fastcands

project = "fastcands"
author = "the fastcands authors"
release = version = fastcands.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = f"fastcands {version}"

myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

# types stand in the docstrings, with shapes, which annotations cannot say
autodoc_typehints = "none"
autodoc_member_order = "bysource"
autodoc_class_signature = "mixed"
napoleon_google_docstring = False
napoleon_use_param = False
napoleon_use_rtype = False
napoleon_use_ivar = True
# a type in a docstring is prose ("int64 array, shape (B, T)"); references to the package itself must resolve
nitpick_ignore_regex = [(r"py:.*", r"(?!fastcands\b).*")]

# `name` in a docstring is an argument of the function at hand
default_role = "code"
