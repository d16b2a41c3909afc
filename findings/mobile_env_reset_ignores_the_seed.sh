#!/usr/bin/env bash
# Guess: reset(seed=s) of mobile-env's environments gives the episode of seed s, as Gymnasium's interface has it.
# Truth: the seed has no effect, as `seeding` returns a configuration that `reset` drops: trainings with ten seeds meet
#        the same movements, and a second reset with one seed is the next episode. Only `config` in gymnasium.make seeds
#        it. Gymnasium's checker sees the second, but not the first.
# mobile-env 2.1.0, mobile_env/core/base.py, reset.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
"$place/venv/bin/pip" install -q --disable-pip-version-check mobile-env==2.1.0 gymnasium==1.2.2 pygame==2.6.1 numpy==2.4.6
PYGAME_HIDE_SUPPORT_PROMPT=1 "$place/venv/bin/python" -W ignore - <<'PYTHON'
from importlib.metadata import version

import gymnasium
import mobile_env  # noqa: F401 - registers its environments
from gymnasium.utils.env_checker import check_reset_seed_determinism

print("mobile-env", version("mobile-env"), "gymnasium", version("gymnasium"))


def places(env, **given):
    """Where users begin and where they are three steps later, in metres."""
    env.reset(**given)
    core = env.unwrapped
    found = [(round(user.x), round(user.y)) for user in core.users.values()]
    for _ in range(3):
        env.step([0] * core.NUM_USERS)
    return found + [(round(user.x), round(user.y)) for user in core.users.values()]


def fresh(**config):
    return gymnasium.make("mobile-small-central-v0", config=config)


by_seed = [places(fresh(), seed=s) for s in range(5)]
env = fresh()
again = [places(env, seed=7) for _ in range(2)]
configured = [places(fresh(seed=s)) for s in range(5)]
print("first users of five environments, reset with seeds 0 to 4:", [p[0] for p in by_seed])
print("of one environment, reset twice with seed 7:              ", [p[0] for p in again])
print("of five environments with config={'seed': 0 to 4}:        ", [p[0] for p in configured])
try:
    check_reset_seed_determinism(fresh())
    checked = "passes"
except AssertionError as error:
    checked = str(error)
print("Gymnasium's check_reset_seed_determinism:", checked)
assert "non-deterministic" in checked
assert all(found == by_seed[0] for found in by_seed)
assert again[0] != again[1]
assert all(a != b for a, b in zip(configured, configured[1:]))
PYTHON
