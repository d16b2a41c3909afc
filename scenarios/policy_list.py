"""Policies as a command or a sweep file lists them: "lyapunov,lyapunov{V=1e14},epr"."""

import re

from .errors import Issue, ScenarioError

FORM = "NAME or NAME{KEY=VALUE, …}, separated by commas"

_POLICY = re.compile(r"([^{}\s]+)\s*(?:\{(.*)\})?", re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def parse_policy(text: str, source: str) -> tuple[str, list[str]]:
    """Name and options "key=value" of "name{key=value, …}".

    Args:
        text: of one policy.
        source: where it stands, for the message.

    Raises:
        ScenarioError: not of this form.
    """
    matched = _POLICY.fullmatch(text)
    options = split(matched[2] or "") if matched else []
    if options == [""]:
        options = []
    if not matched or not all("=" in option for option in options):
        raise ScenarioError([Issue(source, f"cannot read `{text}`", allowed=FORM)])
    return matched[1], options


def split(text: str) -> list[str]:
    """The parts between commas that stand outside of brackets and quotes, stripped."""
    parts, begin = [], 0
    open_ends: list[str] = []  # what ends the brackets and quotes that are open
    for place, character in enumerate(text):
        if open_ends and character == open_ends[-1]:
            open_ends.pop()
        elif open_ends and open_ends[-1] in "\"'":
            pass
        elif character in "\"'":
            open_ends.append(character)
        elif character in _CLOSING:
            open_ends.append(_CLOSING[character])
        elif character == "," and not open_ends:
            parts.append(text[begin:place].strip())
            begin = place + 1
    return [*parts, text[begin:].strip()]
