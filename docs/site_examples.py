"""An extension of Griffe: examples in docstrings are shown as code."""

import re

import griffe

_EXAMPLE = re.compile(r"(?:^(?:>>>|\.\.\.) ?.*\n?)+", re.M)


class Examples(griffe.Extension):
    """Puts a fence around the lines of an example."""

    def on_object(self, *, obj, **kwargs):
        """Called for each module, class, function and attribute."""
        if obj.docstring is None:
            return
        text = obj.docstring.value
        if "```" not in text:
            obj.docstring.value = _EXAMPLE.sub(_fenced, text)


def _fenced(found):
    return f"```pycon\n{found.group().rstrip()}\n```\n"
