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
    named = {name.partition("[")[0] for one in load(LIST) for name in one.tests}
    missing = []
    for name in sorted(named):
        file, *within = name.split("::")
        text = (ROOT / file).read_text(encoding="utf-8") if (ROOT / file).is_file() else ""
        kinds = ["class " if one[0].isupper() else "def " for one in within]
        if not text or any(
            f"{kind}{one}(" not in text.replace(":", "(")
            for kind, one in zip(kinds, within, strict=True)
        ):
            missing.append(name)
    assert not missing
