#!/usr/bin/env bash
# Guess: a program that compiles with numba and prints nothing leaves nothing on its terminal; under
# TERM=dumb or NO_COLOR least of all.
# Truth: where colorama is installed (mkdocs-material brings it), importing numba's compiler calls
# colorama.init(), so ESC[0m is written to stdout at exit, whatever TERM and NO_COLOR say; only
# NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING=1 prevents it. numba 0.68.1 and colorama 0.4.6, numba/core/errors.py.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install --quiet --disable-pip-version-check numba==0.68.1
cat >"$place/at_a_terminal.py" <<'PYTHON'
"""What a silent program leaves on a pseudo-terminal."""
import os
import pty
import sys

PROGRAM = "import numba\nassert numba.njit(lambda x: x + 1)(1) == 2"


def left(**environment: str) -> bytes:
    process, terminal = pty.fork()
    if not process:
        os.environ.update({"TERM": "dumb", "NO_COLOR": "1"} | environment)
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    written = b""
    try:
        while piece := os.read(terminal, 1024):
            written += piece
    except OSError:  # it has ended
        pass
    assert os.waitpid(process, 0)[1] == 0, written
    return written


print(left(), left(NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING="1"))
PYTHON
without=$("$place/venv/bin/python" "$place/at_a_terminal.py")
"$place/venv/bin/pip" install --quiet --disable-pip-version-check colorama==0.4.6
with=$("$place/venv/bin/python" "$place/at_a_terminal.py")
echo "numba 0.68.1 at a dumb terminal, as it is and with highlighting disabled:"
echo "without colorama: $without; with colorama 0.4.6: $with"
[ "$without" = "b'' b''" ]
[ "$with" = "b'\\x1b[0m' b''" ]
