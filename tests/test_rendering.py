"""What `render` of an environment shows, and who can use it."""

import pickle
from copy import deepcopy
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.error import DependencyNotInstalled, ResetNeeded
from gymnasium.wrappers.vector import RecordVideo as RecordVectorVideo

import edgesim
from edgesim.experiments.rendering import METADATA, frame
from edgesim.policies.learning.registration import STREAM, TASKS

edgesim.register_envs()
SMALL = ["run.slots=4", "devices.count=3"]
COLOURS = {"mbs": (0x44, 0x44, 0x44), "sbs-1": (0x00, 0x72, 0xB2), "sbs-2": (0xD5, 0x5E, 0x00)}


def drawn(name: str = STREAM, **keywords: Any) -> gymnasium.Env[Any, Any]:
    keywords.setdefault("overrides", SMALL)
    return gymnasium.make(name, render_mode="rgb_array", **keywords)


def count(picture: Any, colour: tuple[int, int, int]) -> int:
    """Pixels of just this colour."""
    return int((picture == np.array(colour, np.uint8)).all(axis=2).sum())


@pytest.mark.parametrize("name", [STREAM, TASKS])
def test_a_picture_follows_the_network(name: str) -> None:
    env = drawn(name)
    env.reset(seed=1)
    first: Any = env.render()
    assert isinstance(first, np.ndarray)
    assert (first.shape, first.dtype) == ((540, 960, 3), np.uint8)
    assert np.array_equal(first, np.asarray(deepcopy(env).render()))
    env.step(np.zeros(env.action_space.shape or ()))
    assert not np.array_equal(first, np.asarray(env.render()))
    assert env.metadata["render_modes"] == METADATA["render_modes"]
    assert env.metadata["render_fps"] > 0


def test_bars_are_as_high_as_queues_are_long() -> None:
    """The height of each device's bar, measured in the picture, against the queue in `info`."""
    env = drawn(overrides=["run.slots=9", "devices.count=4", "stations.sbs.count=1"])
    env.reset(seed=3)
    for _ in range(6):
        info = env.step(np.full(16, -1.0))[4]  # nobody sends, nobody computes
    picture: Any = env.render()
    queues = info["queue_bits"]
    assert queues.min() > 0.0
    right = picture[:250, 580:945]  # the upper axes
    shades = [np.array(COLOURS[name], np.uint8) for name in ("mbs", "sbs-1")]
    filled = np.any([(right == shade).all(axis=2) for shade in shades], axis=0)
    # Axis -0.6 to 3.6 over the axes' width: the middle of bar i.
    middles = [round(362 * (i + 0.6) / 4.2) for i in range(4)]
    heights = np.array([filled[:, x].sum() for x in middles])
    assert np.allclose(heights / heights.max(), queues / queues.max(), atol=0.02)


def test_who_is_absent_is_not_on_the_map(tmp_path: Path) -> None:
    positions = "t,id,x,y\n0,a,400,250\n9,a,400,250\n0.2,b,420,250\n0.3,b,420,250\n"
    (tmp_path / "moves.csv").write_text(positions)
    keys = ["mobility.model=trace", "mobility.file=moves.csv", "run.slots=5"]
    env = drawn(overrides=[*keys, "devices.count=2"], data_dir=tmp_path)
    env.reset(seed=1)
    maps = []
    for _ in range(4):
        env.step(np.ones(8))
        maps.append(np.asarray(env.render())[60:, :560])
    blue = [count(one, COLOURS["sbs-1"]) for one in maps]
    assert max(blue) > min(blue)  # b and the line to its station
    (tmp_path / "moves.csv").write_text("t,id,x,y\n0,a,400,250\n9,a,400,250\n")
    alone = drawn(overrides=[*keys, "devices.count=1"], data_dir=tmp_path)
    alone.reset(seed=1)
    alone.step(np.ones(4))
    assert np.array_equal(maps[0], np.asarray(alone.render())[60:, :560])


def test_a_vector_gives_a_picture_of_each() -> None:
    env = gymnasium.make_vec(STREAM, num_envs=2, overrides=SMALL, render_mode="rgb_array")
    env.reset(seed=5)
    env.step(np.zeros((2, 12)))  # before it all queues are empty
    pictures = env.render()
    assert isinstance(pictures, tuple)
    for r, picture in enumerate(pictures):
        alone = drawn()
        alone.reset(seed=5 + r)
        alone.step(np.zeros(12))
        assert np.array_equal(picture, np.asarray(alone.render()))
    with pytest.raises(ValueError, match="render_mode = 'human'; allowed: None, rgb_array"):
        gymnasium.make_vec(STREAM, overrides=SMALL, render_mode="human")


@pytest.mark.slow
def test_wrappers_collect_and_record(tmp_path: Path) -> None:
    many: Any = gymnasium.make(STREAM, overrides=SMALL, render_mode="rgb_array_list")
    many.reset(seed=1)
    for _ in range(3):
        many.step(np.zeros(12))
    assert len(many.render()) == 4
    pytest.importorskip("moviepy")
    videos = tmp_path / "videos"
    env: Any = gymnasium.wrappers.RecordVideo(drawn(), str(videos), lambda episode: True)
    env.reset(seed=1)
    while not env.step(np.zeros(12))[3]:
        pass
    env.close()
    vector = gymnasium.make_vec(STREAM, num_envs=2, overrides=SMALL, render_mode="rgb_array")
    both = RecordVectorVideo(vector, str(videos / "both"), episode_trigger=lambda episode: True)
    both.reset(seed=1)
    for _ in range(4):
        both.step(np.zeros((2, 12)))
    both.close()
    assert len([path for path in videos.rglob("*.mp4") if path.stat().st_size > 1000]) == 2


def test_a_window_shows_each_step(monkeypatch: pytest.MonkeyPatch) -> None:
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    env: Any = gymnasium.make(STREAM, overrides=SMALL, render_mode="human")
    env.reset(seed=1)
    world = env.unwrapped.vector._simulation.world

    def shown() -> Any:
        return pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)

    assert np.array_equal(shown(), frame(world, 0))
    before = shown()
    env.step(np.zeros(12))
    assert np.array_equal(shown(), frame(world, 0)) and not np.array_equal(shown(), before)
    assert env.render() is None
    other = pickle.loads(pickle.dumps(env.unwrapped))  # its window is its own
    env.close()
    assert pygame.display.get_surface() is None
    other.step(np.zeros(12))
    other.close()


def test_without_pygame_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pygame", None)
    env = gymnasium.make(STREAM, overrides=SMALL, render_mode="human")
    with pytest.raises(DependencyNotInstalled, match=r"edgesim\[environments\]"):
        env.reset()


def test_what_cannot_be_drawn_is_told() -> None:
    with pytest.raises(ResetNeeded):
        drawn().unwrapped.render()
    blind = gymnasium.make(STREAM, overrides=SMALL)
    blind.reset()
    with pytest.warns(UserWarning, match="no render_mode"):
        assert blind.unwrapped.render() is None
    with (
        pytest.warns(UserWarning, match="not in the possible render_modes"),
        pytest.raises(ValueError, match="render_mode = 'ansi'; allowed: None, human, rgb_array"),
    ):
        gymnasium.make(STREAM, overrides=SMALL, render_mode="ansi")
