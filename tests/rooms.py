"""The folders of the product, by the packages of setup.cfg."""

from configparser import ConfigParser
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def _rooms() -> tuple[str, ...]:
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    packages = config["options"]["packages"].split()
    return tuple(dict.fromkeys(name.split(".")[1] for name in packages if "." in name))


ROOMS = _rooms()
