"""Classes and functions read from the source text; nothing is imported."""

import ast
import functools
import logging
import os
import pathlib
import re
import sys

_HERE = pathlib.Path(__file__).parent


@functools.cache
def source(package):
    """Returns the source of a package as griffe's objects; imports nothing."""
    import griffe

    logging.getLogger("griffe").setLevel(logging.CRITICAL)
    paths = [os.getcwd(), *filter(None, sys.path)]
    if package == "keras_mixup":
        paths = [_HERE.parent]
    return griffe.load(
        package,
        search_paths=paths,
        allow_inspection=False,
        modules_collection=_modules(),
    )


@functools.cache
def _modules():
    """What was read; a class finds its base classes there."""
    import griffe

    return griffe.ModulesCollection()


def members(module):
    """Yields the classes and functions of a module and its submodules."""
    for member in module.members.values():
        if member.is_alias:
            continue
        if member.is_module:
            yield from members(member)
        elif member.is_class or member.is_function:
            yield member


def constructor(classes):
    """Returns (function, dict argument -> help): a class's or its base's."""
    texts = {}
    for owner in reversed(classes):
        texts.update(_help_texts(owner))
    for owner in classes:
        if owner.is_class and "__init__" in owner.members:
            return owner.members["__init__"], texts
    return classes[0], texts


def constants(classes):
    """Returns dict name -> value of the class attributes with a literal."""
    found = {}
    for owner in reversed(classes):
        for name, attribute in owner.attributes.items():
            try:
                found[name] = ast.literal_eval(str(attribute.value))
            except (SyntaxError, ValueError):
                found.pop(name, None)
    return found


def _help_texts(target):
    """Returns dict argument -> what the docstring says of it, on one line."""
    if target.docstring is None:
        return {}
    for section in target.docstring.parse("google"):
        if section.kind.value == "parameters":
            return {
                item.name: " ".join(item.description.split())
                for item in section.value
            }
    return {}


def minimum(text):
    """Returns 1 for a description that begins with "int >= 1", or None."""
    found = re.match(r"(even )?(int|float) >= (\d+)", text)
    return int(found[3]) if found else None


def value(default):
    """Returns the value of a default's source text; None for no constant."""
    if default is None:
        return None
    tree = ast.parse(str(default), mode="eval")
    try:
        return ast.literal_eval(tree)
    except ValueError:
        constant = all(
            isinstance(node, (ast.Expression, ast.BinOp, ast.Div, ast.Constant))
            for node in ast.walk(tree)
        )
        if not constant:
            return None
        left, right = tree.body.left.value, tree.body.right.value
        return left / right
