#!/usr/bin/env bash
# Guess: a program that ends by an exception derived from KeyboardInterrupt ends as by Ctrl-C: killed by
# SIGINT, 130 in a shell, so that a shell's loop around it ends too.
# Truth: only KeyboardInterrupt itself does; one derived from it is an error like any other, status 1.
# CPython 3.11 to 3.13, Python/pythonrun.c, run_eval_code_obj: the type is compared with ==.
set -euo pipefail
python=${PYTHON:-python3}
status() {
  local found=0
  "$python" -c "$1" 2> /dev/null || found=$?
  echo "$found"
}
plain=$(status 'raise KeyboardInterrupt')
derived=$(status '
class Interrupted(KeyboardInterrupt):
    pass

raise Interrupted')
"$python" --version
echo "KeyboardInterrupt: $plain, a class derived from it: $derived"
test "$plain" = 130
test "$derived" = 1
