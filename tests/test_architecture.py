"""The import levels and the house rules, read from the source with ast."""

import ast
import importlib
import pathlib

import pytest

import keras_mixup

ROOT = pathlib.Path(__file__).parent.parent

# Imports go down only; two packages of one level do not know each other.
LEVELS = {
    "_checks": 0,
    "_corruption_kinds": 0,
    "_files": 0,
    "_stopping": 0,
    "_tensors": 0,
    "_tables": 0,
    "_types": 0,
    "_versions": 0,
    "_setting": 1,
    "_sources": 1,
    "_config": 1,
    "_classifiers": 1,
    "_workers": 1,
    "_fingerprint": 1,
    "_inputs": 1,
    "_own_modules": 1,
    "_plug_ins": 1,
    "_settings": 2,
    "registry": 2,
    "threat": 2,
    "ops": 3,
    "attacks": 4,
    "data": 4,
    "inference": 4,
    "metrics": 4,
    "models": 4,
    "evaluation": 5,
    "export": 5,
    "training": 5,
    "studies": 6,
    "reporting": 7,
    "runs": 8,
    "reproduce": 9,
    "cli": 10,
    "__main__": 11,
    "apps": 11,
}
# These answer --help and a wrong flag before anything heavy is loaded.
QUICK = ("apps", "cli", "_setting", "_settings", "_types", "registry")
# Names that `keras_mixup` itself gives on, and where they come from.
GIVEN_ON = {"ThreatModel": "threat"}
# Absent from some installations, or slow to import: only in functions.
LAZY = {
    "IPython",
    "PIL",
    "art",
    "cleverhans",
    "datasets",
    "grpc",
    "imagecorruptions",
    "matplotlib",
    "onnx",
    "onnxruntime",
    "openvino",
    "pandas",
    "sklearn",
    "tensorboard",
    "tensorflow_datasets",
    "tensorflow_serving",
    "tf_keras",
    "torch",
    "torchattacks",
}
HEAVY = {"keras", "numpy", "scipy", "tensorflow", "tensorflow_probability"}


def own_part(path):
    """The part of the project that a file belongs to, or None for the root."""
    parts = path.with_suffix("").parts
    if parts[0] != "keras_mixup":
        return parts[0]
    return None if parts[1] == "__init__" else parts[1]


def imported_modules(tree):
    """(line, dotted name, is at top level) of every import in the file."""
    inside = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            inside.update(id(child) for child in ast.walk(node))
    for node in ast.walk(tree):
        at_top = id(node) not in inside
        if isinstance(node, ast.Import):
            for name in node.names:
                yield node.lineno, name.name, at_top
        elif isinstance(node, ast.ImportFrom):
            prefix = "." * node.level + (node.module or "")
            for name in node.names:
                yield node.lineno, f"{prefix}.{name.name}", at_top


def for_checkers(tree):
    """The statements at top level that only a type checker reads."""
    return [
        statement
        for node in tree.body
        if isinstance(node, ast.If)
        and getattr(node.test, "id", None) == "TYPE_CHECKING"
        for statement in node.body
    ]


def import_faults(path, tree):
    """What is wrong with the imports of the project file `path`."""
    part = own_part(path)
    unseen = {node.lineno for node in for_checkers(tree)}
    for line, name, at_top in imported_modules(tree):
        if part is None and line in unseen:
            continue
        top, _, rest = name.partition(".")
        if not top:
            yield f"{path}:{line}: relative import {name}"
        if name == "keras.src" or name.startswith("keras.src."):
            yield f"{path}:{line}: {name} is not public"
        if at_top and top in LAZY:
            yield f"{path}:{line}: {top} belongs in the function that uses it"
        if at_top and part in QUICK and top in HEAVY:
            yield f"{path}:{line}: {top} slows --help; import it in main"
        if top in ("apps", "keras_mixup"):
            target = "apps" if top == "apps" else rest.split(".")[0]
            yield from edge_faults(path, line, part, target)
        if part != "tests" and top in ("tests", "benchmarks"):
            yield f"{path}:{line}: imports {top}"


def edge_faults(path, line, part, target):
    """What is wrong with an import of `target` from `part`."""
    target = GIVEN_ON.get(target, target)
    if part is None:
        yield f"{path}:{line}: the root imports its parts on first use"
    elif target in ("", "__version__"):
        if part not in ("apps", "runs"):
            yield f"{path}:{line}: a part imports the whole package"
    elif target not in LEVELS:
        yield f"{path}:{line}: {target} has no level"
    elif part != target and LEVELS[part] <= LEVELS[target]:
        yield f"{path}:{line}: {part} may not import {target}"


def style_faults(path, tree):
    """Bare asserts, and public things without a docstring."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"{path}:{node.lineno}: assert vanishes under python -O"
    if not ast.get_docstring(tree):
        yield f"{path}:1: no docstring"
    kinds = (ast.FunctionDef, ast.ClassDef)
    for node in (n for n in tree.body if isinstance(n, kinds)):
        # Methods inherit their text; test_public_api.py looks at those.
        if not node.name.startswith("_") and not ast.get_docstring(node):
            yield f"{path}:{node.lineno}: {node.name} has no docstring"


def size_faults(path, source, tree):
    """Function bodies over 50 lines, docstring aside; files over 400."""
    lines = len(source.splitlines())
    if lines > 400:
        yield f"{path}: {lines} lines"
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            body = node.body[1 if ast.get_docstring(node) else 0 :]
            length = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if length > 50:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines"


def faults(path, source):
    """Every fault of one file of keras_mixup/ or apps/."""
    path = pathlib.Path(path)
    tree = ast.parse(source)
    return [
        *import_faults(path, tree),
        *style_faults(path, tree),
        *size_faults(path, source, tree),
    ]


def project_files():
    found = [
        path.relative_to(ROOT)
        for top in ("keras_mixup", "apps")
        for path in sorted((ROOT / top).rglob("*.py"))
    ]
    return found


@pytest.mark.parametrize("path", project_files(), ids=str)
def test_file_keeps_the_rules(path):
    assert faults(path, (ROOT / path).read_text("utf-8")) == []


def test_files_are_found():
    found = {str(path) for path in project_files()}
    assert {"keras_mixup/ops/ascent.py", "apps/train.py"} <= found


def private_imports(tree):
    """The private modules of keras_mixup that a file outside of it imports."""
    for _, name, _ in imported_modules(tree):
        top, *parts = name.split(".")
        if top == "keras_mixup" and any(part[0] == "_" for part in parts):
            if parts != ["__version__"]:
                yield name


def users_files():
    tops = ("apps", "benchmarks", "docs", "examples")
    return [
        path.relative_to(ROOT)
        for top in tops
        for path in sorted((ROOT / top).rglob("*.py"))
    ]


@pytest.mark.parametrize("path", users_files(), ids=str)
def test_what_is_outside_imports_what_is_public(path):
    tree = ast.parse((ROOT / path).read_text("utf-8"))
    assert list(private_imports(tree)) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("from keras_mixup import _files", ["keras_mixup._files"]),
        ("import keras_mixup.runs._process", ["keras_mixup.runs._process"]),
        ("from keras_mixup._a import B", ["keras_mixup._a.B"]),
        ("from keras_mixup import runs", []),
        ("from keras_mixup import __version__", []),
        ("from apps import _check_python", []),
    ],
)
def test_a_private_import_is_found(code, found):
    assert list(private_imports(ast.parse(code))) == found


@pytest.mark.parametrize("path", users_files(), ids=str)
def test_functions_outside_are_short_enough(path):
    source = (ROOT / path).read_text("utf-8")
    assert list(size_faults(path, source, ast.parse(source))) == []


PLANTED = [
    ("ops/new.py", "import keras_mixup.attacks.pgd", "may not import attacks"),
    ("ops/new.py", "from keras_mixup import models", "may not import models"),
    ("attacks/new.py", "from keras_mixup import data", "may not import data"),
    (
        "inference/new.py",
        "def f():\n    '''Doc.'''\n    from keras_mixup.attacks import PGD",
        "inference may not import attacks",
    ),
    (
        "training/new.py",
        "from keras_mixup.evaluation import evaluate",
        "training may not import evaluation",
    ),
    ("_checks.py", "from keras_mixup import ThreatModel", "import threat"),
    ("ops/new.py", "import keras_mixup", "the whole package"),
    ("ops/new.py", "from keras_mixup import mystery", "has no level"),
    ("ops/new.py", "from . import mixing", "relative import"),
    ("export/new.py", "import apps.train", "may not import apps"),
    ("metrics/new.py", "from tests import toys", "imports tests"),
    ("__init__.py", "from keras_mixup.ops import mix", "on first use"),
    (
        "__init__.py",
        "if TYPE_CHECKING:\n    pass\nelse:\n    from keras_mixup import ops",
        "on first use",
    ),
    ("models/new.py", "from keras.src import layers", "is not public"),
    ("data/new.py", "import tensorflow_datasets as tfds", "belongs in the"),
    ("evaluation/new.py", "import matplotlib.pyplot as p", "belongs in the"),
    ("ops/new.py", "assert 1 == 1", "assert vanishes"),
    ("ops/new.py", "def f():\n    return 1", "f has no docstring"),
    ("ops/new.py", "class A:\n    def f(self): pass", "A has no docstring"),
    ("ops/new.py", "\n" * 400, "402 lines"),
    (
        "ops/new.py",
        "def f():\n    '''Doc.'''\n" + "    print()\n" * 51,
        "f has 51 lines",
    ),
]


@pytest.mark.parametrize(("name", "code", "expected"), PLANTED)
def test_a_planted_fault_is_found(name, code, expected):
    found = faults(f"keras_mixup/{name}", f'"""Doc."""\n{code}\n')
    assert len(found) == 1, found
    assert expected in found[0]


@pytest.mark.parametrize("module", ["tensorflow", "keras", "numpy"])
def test_an_application_that_would_start_slowly_is_found(module):
    found = faults("apps/new.py", f'"""Doc."""\nimport {module}\n')
    assert len(found) == 1, found
    assert "slows --help" in found[0]


def test_a_clean_file_has_no_fault():
    code = '''"""Doc."""
import keras
import tensorflow as tf

from keras_mixup import ThreatModel
from keras_mixup import ops
from keras_mixup.attacks import base


class Attack(base.Attack):
    """Doc."""

    def call(self, x):
        import sklearn

        return sklearn, keras, tf, ThreatModel, ops, self._go(x)

    def _go(self, x):
        return x
'''
    assert faults("keras_mixup/attacks/new.py", code) == []


def packages():
    found = (ROOT / "keras_mixup").glob("*/__init__.py")
    return sorted(path.parent.name for path in found)


def lazy_homes(tree):
    """Dict name -> module of what an __init__ gives on first use."""
    for node in tree.body:
        if isinstance(node, ast.Assign):
            if getattr(node.targets[0], "id", None) == "_HOMES":
                return ast.literal_eval(node.value)
    return {}


def all_faults(tree):
    """Differences between `__all__` and what an __init__ imports."""
    listed, imported = None, set()
    for node in tree.body:
        if isinstance(node, ast.ImportFrom):
            if node.module != "typing":
                imported.update(n.asname or n.name for n in node.names)
        elif isinstance(node, ast.Assign):
            if getattr(node.targets[0], "id", None) == "__all__":
                listed = ast.literal_eval(node.value)
    # Given on first use; a test imports each of them.
    imported.update(lazy_homes(tree))
    if listed is None:
        return ["no __all__"]
    public = {name for name in imported if not name.startswith("_")}
    doubled = len(listed) != len(set(listed))
    return [
        *(f"{name} is imported, not listed" for name in public - {*listed}),
        *(f"{name} is listed, not imported" for name in {*listed} - public),
        *(["a name stands twice"] if doubled else []),
    ]


@pytest.mark.parametrize("package", packages())
def test_all_names_what_the_package_imports(package):
    source = (ROOT / "keras_mixup" / package / "__init__.py").read_text()
    assert all_faults(ast.parse(source)) == []


@pytest.mark.parametrize("package", packages())
def test_a_checker_sees_what_is_given_on_first_use(package):
    source = (ROOT / "keras_mixup" / package / "__init__.py").read_text()
    tree = ast.parse(source)
    seen = {
        n.name: node.module.rpartition(".")[2]
        for node in for_checkers(tree)
        for n in node.names
    }
    assert seen == lazy_homes(tree)


def test_a_checker_sees_what_the_root_gives_on_first_use():
    tree = ast.parse((ROOT / "keras_mixup" / "__init__.py").read_text())
    seen = {n.name for node in for_checkers(tree) for n in node.names}
    assert seen == set(keras_mixup.__all__) - {"__version__"}


def test_every_package_is_reached_from_the_root():
    root = importlib.import_module("keras_mixup")
    # The command line is no part of what Python code calls.
    assert set(packages()) - {"cli"} <= set(root.__all__)


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("from a import B", "no __all__"),
        ("from a import B\n__all__ = []", "B is imported, not listed"),
        ("__all__ = ['B']", "B is listed, not imported"),
        ("from a import B\n__all__ = ['B', 'B']", "a name stands twice"),
    ],
)
def test_a_wrong_all_is_found(code, expected):
    assert all_faults(ast.parse(code)) == [expected]
