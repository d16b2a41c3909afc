"""The README's commands, one after another, in the current folder: `python readme.py ROOT`.

Uses the `edgesim` that is on the PATH. What needs torch is left out where torch is not, and said to be.
"""

import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LEARNING = re.compile(r"edgesim train|--policy (aac|dqn|ddpg|sac)\b")


def main(root: Path) -> None:
    """In the folder where it is called."""
    blocks = BLOCK.findall((root / "README.md").read_text("utf-8"))
    (scenario,) = (text for language, text in blocks if language == "toml")
    Path("mine.toml").write_text(scenario, "utf-8")
    shutil.copytree(root / "docs" / "examples", "docs/examples")
    run = 0
    for language, text in blocks:
        if language or not re.search(r"^edgesim ", text, re.MULTILINE):
            continue
        folder = Path()
        for line in text.splitlines():
            command = line.split("  #")[0].strip()
            if command.startswith("cd "):
                folder /= command[3:]
            elif not command.startswith("edgesim "):
                raise SystemExit(f"no command: {line}")
            elif LEARNING.search(command) and find_spec("torch") is None:
                print(f"left out, as torch is not here: {command}", flush=True)
            else:
                print(f"$ {command}", flush=True)
                done = subprocess.run(
                    command, shell=True, cwd=folder, stdout=subprocess.DEVNULL, check=False
                )
                if done.returncode:
                    raise SystemExit(f"exit status {done.returncode}: {command}")
                run += 1
    print(f"{run} of the README's commands work with {sys.version.split()[0]}")


if __name__ == "__main__":
    main(Path(sys.argv[1]).resolve())
