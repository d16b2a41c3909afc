"""The same bits on every processor: functions, draws, decisions and physics, with instruction sets masked."""

import ast
import math
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from decimal import Decimal, localcontext
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from digests import digest

import edgesim
from edgesim.simulator.core import elementary, randomness, shipped_code
from edgesim.simulator.core.arrays import FloatArray
from edgesim.simulator.core.linear import solve
from edgesim.simulator.network.topology import circle

ROOT = Path(__file__).resolve().parents[1]

LN_2 = Decimal("0.69314718055994530941723212145817656807550013436025525412068")


def _expm1(x: Decimal) -> Decimal:
    if abs(x) > Decimal("0.01"):
        return x.exp() - 1
    return sum((x**n / math.factorial(n) for n in range(1, 25)), Decimal(0))


def _log1p(x: Decimal) -> Decimal:
    if abs(x) > Decimal("0.01"):
        return (1 + x).ln()
    return sum((-((-x) ** n) / n for n in range(1, 30)), Decimal(0))


def _both(*parts: FloatArray) -> FloatArray:
    return np.concatenate(parts)


_rng = np.random.default_rng(14)
NEAR = _rng.uniform(-1.0, 1.0, 150)
WIDE = _rng.uniform(-700.0, 700.0, 150)
POSITIVE = _both(10.0 ** _rng.uniform(-300, 300, 100), _rng.uniform(0.4, 2.5, 200))
SMALL = 10.0 ** _rng.uniform(-18, 0, 100)

EXACT: dict[str, tuple[Callable[[Decimal], Decimal], FloatArray]] = {
    "exp": (Decimal.exp, _both(NEAR, WIDE)),
    "exp2": (lambda x: (x * LN_2).exp(), _both(NEAR, WIDE)),
    "expm1": (_expm1, _both(3.0 * NEAR, np.abs(WIDE), SMALL, -SMALL)),
    "log": (Decimal.ln, POSITIVE),
    "log1p": (_log1p, _both(NEAR, 1e3 * np.abs(NEAR), SMALL, POSITIVE)),
    "log2": (lambda x: x.ln() / LN_2, POSITIVE),
    "cbrt": (lambda x: (x.ln() / 3).exp(), POSITIVE),
}


def places(found: float, exact: Decimal) -> float:
    """How far off, in units in the last place."""
    return abs(float((Decimal(found) - exact) / Decimal(math.ulp(float(exact)))))


@pytest.mark.parametrize("name", EXACT)
def test_a_function_is_right_to_the_last_place(name: str) -> None:
    exact, x = EXACT[name]
    found = getattr(elementary, f"{name}_each")(x)
    with localcontext(prec=60):
        assert max(map(places, found, (exact(Decimal(one)) for one in x.tolist()))) < 1.5
    assert getattr(elementary, name)(x[3]) == found[3]


@pytest.mark.parametrize("name", EXACT)
def test_special_values_are_those_of_c(name: str) -> None:
    x = np.array([0.0, np.inf, -np.inf, np.nan, -1.0, 1.0, -1e5, 1e5, 5e-324, -740.0, 709.7, 8.0])
    with np.errstate(all="ignore"):
        theirs = getattr(np, name)(x)
    found = getattr(elementary, f"{name}_each")(x)
    # The cube root of a number that has one bit left has no more.
    close = 1e-13 if name == "cbrt" else 4e-16
    np.testing.assert_allclose(found, theirs, rtol=close, atol=0.0)


def test_powers_are_right_to_the_last_places() -> None:
    x, y = 10.0 ** _rng.uniform(-6, 6, 400), _rng.uniform(-40.0, 40.0, 400)
    y[:100] = np.round(y[:100])
    found = elementary.power_each(x, y)
    with localcontext(prec=60):
        exact = [(Decimal(a).ln() * Decimal(b)).exp() for a, b in zip(x, y, strict=True)]
    off = np.array(list(map(places, found, exact)))
    assert off[100:].max() < 1.5 and off[:100].max() < 40.0
    assert elementary.power(10.0, 3.0) == 1000.0 and elementary.power(4.0, 0.5) == 2.0
    for base in (0.0, 1.0, 2.0, np.inf, np.nan):
        for exponent in (0.0, 3.0, -3.0, 2.5, -2.5):
            with np.errstate(all="ignore"):
                theirs = np.power(base, exponent)
            np.testing.assert_allclose(elementary.power(base, exponent), theirs, rtol=1e-15)


def test_small_systems_are_solved() -> None:
    matrix, x = _rng.normal(size=(20, 5, 5)), _rng.normal(size=(20, 5))
    np.testing.assert_allclose(solve(matrix, (matrix @ x[..., None])[..., 0]), x, rtol=1e-8)
    swapped = np.array([[0.0, 2.0], [1.0, 0.0]])
    np.testing.assert_array_equal(solve(swapped, np.array([4.0, 3.0])), [3.0, 2.0])
    assert not np.isfinite(solve(np.zeros((2, 2)), np.ones(2))).any()
    assert solve(np.zeros((0, 0)), np.zeros(0)).shape == (0,)
    assert solve(np.zeros((3, 0, 0)), np.zeros((3, 0))).shape == (3, 0)


@pytest.mark.parametrize("count", [1, 2, 3, 5, 8, 12, 100])
def test_circles(count: int) -> None:
    angle = 2.0 * np.pi * np.arange(count) / count
    expected = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    np.testing.assert_allclose(circle(np.zeros(2), 1.0, count), expected, rtol=0, atol=1e-15)


@pytest.mark.parametrize("law", ["standard_exponential", "standard_normal"])
def test_draws_are_those_of_numpy(law: str) -> None:
    """To the last place, tails and all; and the generator goes on from the same state."""
    ours, theirs = np.random.default_rng(5), np.random.default_rng(5)
    found = getattr(randomness, law)(ours, (50, 4000))
    expected = getattr(theirs, law)((50, 4000))
    assert np.abs(expected).max() > {"standard_exponential": 7.7, "standard_normal": 3.66}[law]
    np.testing.assert_allclose(found, expected, rtol=4e-16)
    assert ours.bit_generator.state == theirs.bit_generator.state


@pytest.mark.parametrize("kind", [np.random.PCG64DXSM, np.random.MT19937])
def test_draws_of_all_replications_are_those_of_each(kind: type[np.random.BitGenerator]) -> None:
    together, apart = ([np.random.Generator(kind(seed)) for seed in range(3)] for _ in range(2))
    for _ in range(2):  # the second time they go on where they ended
        normal = [randomness.standard_normal(rng, (2, 501)) for rng in apart]
        np.testing.assert_array_equal(randomness.standard_normal_each(together, (2, 501)), normal)
        uniform = [rng.random(501) for rng in apart]
        np.testing.assert_array_equal(randomness.random_each(together, (501,)), uniform)


FOREIGN = {
    "exp",
    "exp2",
    "expm1",
    "log",
    "log1p",
    "log2",
    "log10",
    "power",
    "float_power",
    "sin",
    "cos",
    "tan",
    "arctan2",
    "hypot",
    "cbrt",
    "sinh",
    "cosh",
    "tanh",
    "logaddexp",
    "pow",
    "einsum",
    "dot",
    "matmul",
    "vdot",
    "inner",
    "tensordot",
}
DRAWS = {"standard_exponential", "exponential", "standard_normal", "normal", "gamma", "poisson"}
NOT_THESE = {"learning"}
"""What learners do hangs on torch."""


def foreign(tree: ast.Module) -> list[str]:
    """What a module takes from NumPy, the C library or BLAS whose bits a processor decides."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module == "math":
            found += [one.name for one in node.names if one.name in FOREIGN]
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            continue
        owner, name = ast.unparse(node.func.value), node.func.attr
        stable = any(one.arg == "kind" for one in node.keywords)
        if (
            (owner in ("np", "math") and name in FOREIGN)
            or (owner == "np.linalg" and name != "norm")
            or (name in ("argsort", "argpartition") and not stable)
            or ("rng" in owner and name in DRAWS)
        ):
            found.append(f"{owner}.{name}, line {node.lineno}")
    return found


def test_nothing_hangs_on_the_processor() -> None:
    files = [*(ROOT / "simulator").rglob("*.py"), *(ROOT / "policies").rglob("*.py")]
    wrong = {}
    for path in files:
        name = path.relative_to(ROOT).as_posix()
        if not NOT_THESE & set(path.parts):
            wrong[name] = foreign(ast.parse(path.read_text()))
    assert not {name: found for name, found in wrong.items() if found}


def test_what_hangs_on_the_processor_is_found() -> None:
    code = "np.exp(x); math.log(x); np.linalg.solve(a, b); np.argsort(x); rng.standard_normal(3)"
    assert len(foreign(ast.parse(code))) == 5
    assert not foreign(ast.parse("exp(x); np.sqrt(x); np.argsort(x, kind='stable')"))


VECTORS = {"NPY_DISABLE_CPU_FEATURES": "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F"}
FUSED = {"GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX,-AVX2,-FMA,-FMA4,-AVX512F"}
KERNELS = {"OPENBLAS_CORETYPE": "Nehalem"}
GENERATED = {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": ""}
SHIPPED = {"NUMBA_CPU_NAME": shipped_code.PROCESSOR, "NUMBA_CPU_FEATURES": ""}

RUNS = {
    "iiot_20dev": ("lyapunov", "random", "epr-ep"),
    "carbon_6ue": ("lyapunov", "random", "exact"),
}


def report(slots: int, words: Sequence[str]) -> list[str]:
    """Digests of functions, of draws, and of runs in the current folder, "SCENARIO:POLICY" each."""
    x = np.random.default_rng(1).random(100_000) * 50.0
    names = ("exp", "exp2", "expm1", "log", "log1p", "log2", "cbrt")
    found = [sha256(getattr(elementary, f"{name}_each")(x)).hexdigest() for name in names]
    rng = np.random.default_rng(2)
    found.append(sha256(randomness.standard_exponential(rng, (100_000,)).tobytes()).hexdigest())
    found.append(sha256(randomness.standard_normal(rng, (100_000,)).tobytes()).hexdigest())
    battery = {"capacity": 0.05, "initial": 0.5, "harvest": 0.06}
    more = {"devices.battery": battery, "mobility.model": "random-waypoint"}
    for word in words:
        scenario, policy = word.split(":")
        keys: dict[str, Any] = {}
        if scenario == "iiot_20dev":
            keys = more | {"channel.fading": "rician"}
        if word == "iiot_20dev:exact":
            keys["devices.count"] = 3
        edgesim.run(scenario, "t.h5", policy=policy, slots=slots, overrides=keys).close()
        found.append(f"{word} {digest(Path('t.h5'))}")
    return found


def printed(folder: Path, slots: int, words: list[str], masks: dict[str, str]) -> list[str]:
    paths = os.pathsep.join([str(ROOT / "tests"), os.environ.get("PYTHONPATH", "")])
    done = subprocess.run(
        [sys.executable, __file__, str(slots), *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": paths} | masks,
    )
    assert not done.returncode, done.stderr
    return done.stdout.splitlines()


def test_the_same_bits_with_instruction_sets_masked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["iiot_20dev:lyapunov", "carbon_6ue:lyapunov"]
    monkeypatch.chdir(tmp_path)
    bare = report(30, words)
    assert len(bare) == 11
    assert printed(tmp_path, 30, words, VECTORS | FUSED | KERNELS) == bare


@pytest.mark.slow
def test_exact_does_not_hang_on_the_threads_of_blas(tmp_path: Path) -> None:
    """Of three devices, whose sets it can search."""
    words = ["iiot_20dev:exact"]
    one, two = ({"OMP_NUM_THREADS": n, "OPENBLAS_NUM_THREADS": n} for n in "12")
    assert printed(tmp_path, 20, words, one) == printed(tmp_path, 20, words, two)


@pytest.mark.slow
@pytest.mark.parametrize("masks", [VECTORS, FUSED, KERNELS, GENERATED, SHIPPED])
def test_every_policy_of_ours_gives_the_same_bits(tmp_path: Path, masks: dict[str, str]) -> None:
    words = [f"{scenario}:{policy}" for scenario, names in RUNS.items() for policy in names]
    assert printed(tmp_path, 200, words, masks) == printed(tmp_path, 200, words, {})


if __name__ == "__main__":
    print(*report(int(sys.argv[1]), sys.argv[2:]), sep="\n")
