"""Doctests of docstrings as code blocks of the API pages, which `mkdocs.yml` loads into griffe."""

import re
from typing import Any

import griffe

DOCTEST = re.compile(r"^>>> .*(?:\n\S.*)*", re.MULTILINE)
"""A prompt and the lines up to the next empty one."""


class FencedDoctests(griffe.Extension):
    """Put a fence around each doctest, or Markdown reads its prompt as a quotation."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Change the docstring of one object.

        Args:
            obj: A module, class, function or attribute.
        """
        if obj.docstring:
            fenced = DOCTEST.sub(r"```pycon\n\g<0>\n```", obj.docstring.value)
            obj.docstring.value = fenced
