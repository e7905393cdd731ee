"""`make quick` forgets no package, and lists nothing that is gone."""

import pathlib

TESTS = pathlib.Path(__file__).parent
LISTED = (TESTS / "quick.txt").read_text("utf-8").split()


def test_every_package_is_in_the_quick_tests():
    packages = {
        path.parent.name
        for path in (TESTS.parent / "keras_mixup").glob("*/__init__.py")
    }
    assert packages <= {line.split("/")[1] for line in LISTED}


def test_what_is_listed_exists_once():
    assert all((TESTS.parent / line).exists() for line in LISTED)
    assert len(LISTED) == len(set(LISTED))


def test_every_package_has_tests_of_its_own():
    for path in (TESTS.parent / "keras_mixup").glob("*/__init__.py"):
        assert list((TESTS / path.parent.name).glob("test_*.py")), path
