"""The list of wrong lines keeps up with the program."""

from mutants import LIST, ROOT, load


def test_every_edit_can_be_made() -> None:
    """Else it would be tried by nobody until somebody has hours for all of them."""
    gone = [
        one.title
        for one in load(LIST)
        if (ROOT / one.file).read_text(encoding="utf-8").count(one.old) != 1
    ]
    assert not gone


def test_the_tests_of_every_edit_are_there() -> None:
    files = {name.partition("::")[0] for one in load(LIST) for name in one.tests}
    assert [name for name in sorted(files) if not (ROOT / name).is_file()] == []
