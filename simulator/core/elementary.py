"""exp, log and their kin, with the same bits on every processor and system.

NumPy's differ in the last place with the processor's vector instructions, and those of the C library with
its version and with fused multiplication. What is below is +, -, *, / and the moving of exponents only, each
rounded as IEEE 754 says, in an order that no compiler may change. So whatever a decision or the physics
hangs on is computed with these.

`exp` and the others take numbers, in compiled code and in Python; `exp_each` and its like take arrays of any
shape. Errors are below 1.5 units in the last place, of `power` below 4. Special values are those of C.
"""

import numpy as np

from .arrays import FloatArray
from .compiled import compiled

LN_2 = 0.6931471805599453
_LN_2_HIGH = float.fromhex("0x1.62e42fefa2000p-1")
"""41 bits of ln 2: times an exponent it is exact."""
_LN_2_LOW = 7.371002565167799e-13
_PER_LN_2 = 1.4426950408889634
_ROOT_HALF_BITS = 0x3FE6A09E667F3BCD
_LEAST_NORMAL = 2.0**-1022


@compiled
def exp(x: float) -> float:
    """e^x."""
    if not x < 709.8:
        return x if np.isnan(x) else np.inf
    if x < -745.2:
        return 0.0
    k, r, rest = _reduced(x)
    return _scaled(1.0 + (r + (r * r * _tail(r) + rest)), k)


@compiled
def exp2(x: float) -> float:
    """2^x."""
    if not x < 1024.0:
        return x if np.isnan(x) else np.inf
    if x < -1075.0:
        return 0.0
    k = int(np.floor(x + 0.5))
    r = (x - k) * LN_2
    return _scaled(1.0 + (r + r * r * _tail(r)), k)


@compiled
def expm1(x: float) -> float:
    """e^x - 1."""
    if not x < 40.0:
        return exp(x)
    if x < -40.0:
        return -1.0
    k, r, rest = _reduced(x)
    less = r + (r * r * _tail(r) + rest)
    if k == 0:
        return less
    whole = _power_of_two(k)
    return whole * less + (whole - 1.0)


@compiled
def log(x: float) -> float:
    """Natural logarithm."""
    if not 0.0 < x < np.inf:
        return _log_at_an_end(x)
    k, m = _split(x)
    return _log_near_1(m - 1.0, k, 0.0)


@compiled
def log1p(x: float) -> float:
    """ln(1 + x)."""
    if not -1.0 < x < np.inf:
        return _log_at_an_end(1.0 + x)
    if -0.29 < x < 0.41:
        return _log_near_1(x, 0, 0.0)
    u = 1.0 + x
    lost = x - (u - 1.0) if x < 1.0 else 1.0 - (u - x)
    k, m = _split(u)
    return _log_near_1(m - 1.0, k, lost / u)


@compiled
def log2(x: float) -> float:
    """Logarithm to base 2; exact at powers of 2."""
    if not 0.0 < x < np.inf:
        return _log_at_an_end(x)
    k, m = _split(x)
    return k + _log_near_1(m - 1.0, 0, 0.0) * _PER_LN_2


@compiled
def cbrt(x: float) -> float:
    """Cube root."""
    size = abs(x)
    if not 0.0 < size < np.inf:
        return x
    root = exp(log(size) / 3.0)
    # Halley's step from there is right to the last place.
    cube = root * root * root
    root -= root * ((cube - size) / (2.0 * cube + size))
    return root if x > 0.0 else -root


@compiled
def power(x: float, y: float) -> float:
    """x^y of x >= 0, or of a whole y; small whole powers by multiplication."""
    if y == np.floor(y) and abs(y) <= 64.0:
        return _whole_power(x, int(y))
    if y == 0.5:
        return float(np.sqrt(x))
    if not 0.0 < x < np.inf:
        if x == 0.0 or x == np.inf:
            return np.inf if (x > 1.0) == (y > 0.0) else 0.0 * y * 0.0
        return np.nan
    high, low = _log_in_two(x)
    product = y * high
    if not -800.0 < product < 800.0:
        return exp(product)
    whole = exp(product)
    return whole + whole * (_lost(y, high, product) + y * low)


def unit_vector(part: int, whole: int) -> tuple[float, float]:
    """Cosine and sine of part / whole of a full turn, 0 <= part < whole."""
    eighth, rest = divmod(8 * part, whole)
    quarter, odd = divmod(eighth, 2)
    # Counted from the nearest quarter, forwards or backwards.
    angle = (whole - rest if odd else rest) / whole * (np.pi / 4.0)
    cosine, sine, term = 1.0, 0.0, 1.0
    for n in range(1, 19):
        term *= angle / n
        if n % 2:
            sine += term * (2 - n % 4)
        else:
            cosine += term * (1 - n % 4)
    if odd:
        sine = -sine
    for _ in range(quarter + odd):
        cosine, sine = -sine, cosine
    return cosine, sine


@compiled
def _whole_power(x: float, n: int) -> float:
    left, result, square = abs(n), 1.0, x
    while left:
        if left & 1:
            result *= square
        square *= square
        left >>= 1
    return result if n >= 0 else 1.0 / result


@compiled
def _reduced(x: float) -> tuple[int, float, float]:
    """K, r and what r lacks, with x = k ln 2 + r and |r| <= ln(2) / 2."""
    k = np.floor(x * _PER_LN_2 + 0.5)
    high, low = x - k * _LN_2_HIGH, k * _LN_2_LOW
    r = high - low
    return int(k), r, (high - r) - low


@compiled
def _tail(r: float) -> float:
    """(e^r - 1 - r) / r^2 for |r| <= ln(2) / 2: Taylor's series, up to r^13 in e^r."""
    r2 = r * r
    r4 = r2 * r2
    first = (1 / 2 + r * (1 / 6)) + r2 * (1 / 24 + r * (1 / 120))
    second = (1 / 720 + r * (1 / 5040)) + r2 * (1 / 40320 + r * (1 / 362880))
    third = (1 / 3628800 + r * (1 / 39916800)) + r2 * (1 / 479001600 + r * (1 / 6227020800))
    return first + r4 * (second + r4 * third)


@compiled
def _power_of_two(k: int) -> float:
    """2^k of -1022 <= k <= 1023."""
    bits = np.int64((k + 1023) << 52)
    return float(bits.view(np.float64))


@compiled
def _scaled(x: float, k: int) -> float:
    """2^k x of 1/2 < x < 2, rounded once where it is below the normal numbers."""
    if -1021 <= k <= 1022:
        return x * _power_of_two(k)
    half = k >> 1
    return x * _power_of_two(half) * _power_of_two(k - half)


@compiled
def _split(x: float) -> tuple[int, float]:
    """K and m, with x = 2^k m and sqrt(1/2) <= m < sqrt(2), for 0 < x < inf."""
    k = 0
    if x < _LEAST_NORMAL:
        x *= 2.0**54
        k = -54
    bits = np.float64(x).view(np.int64)
    more = (bits - _ROOT_HALF_BITS) >> 52
    return int(k + more), float(np.int64(bits - (more << 52)).view(np.float64))


@compiled
def _log_near_1(f: float, k: int, rest: float) -> float:
    """(k ln 2 + ln(1 + f)) + rest, with sqrt(1/2) <= 1 + f < sqrt(2).

    ln(1 + f) = 2 artanh(s) with s = f / (2 + f), and 2 s = f - s f: so that f, which is exact, stands alone.
    """
    s = f / (2.0 + f)
    z = s * s
    z2 = z * z
    z4 = z2 * z2
    first = (2 / 3 + z * (2 / 5)) + z2 * (2 / 7 + z * (2 / 9))
    second = (2 / 11 + z * (2 / 13)) + z2 * (2 / 15 + z * (2 / 17))
    third = (2 / 19 + z * (2 / 21)) + z2 * (2 / 23)
    beyond = z * (first + z4 * (second + z4 * third))
    half = 0.5 * f * f
    return k * _LN_2_HIGH + (f - (half - (s * (half + beyond) + (k * _LN_2_LOW + rest))))


@compiled
def _log_at_an_end(x: float) -> float:
    """The logarithm of 0, of what is negative, of infinity and of NaN."""
    if x == 0.0:
        return -np.inf
    return np.nan if x < 0.0 else x


@compiled
def _log_in_two(x: float) -> tuple[float, float]:
    """Natural logarithm of 0 < x < inf, as a sum of two numbers that is right to about 60 bits."""
    k, m = _split(x)
    f = m - 1.0
    down = 2.0 + f
    s = f / down
    # What the quotient lacks, and what 2 + f does.
    left = f - s * down
    left = left - _lost(s, down, s * down) - s * (f - (down - 2.0))
    z = s * s
    beyond = 0.0
    for odd in range(23, 1, -2):
        beyond = z * (2.0 / odd + beyond)
    small = k * _LN_2_LOW + (2.0 * left / down + s * beyond)
    large = k * _LN_2_HIGH
    high = large + 2.0 * s
    # The larger of the two is k ln 2 where k is not 0.
    lost = 2.0 * s - (high - large) if k else 0.0
    low = lost + small
    total = high + low
    return total, low - (total - high)


@compiled
def _lost(a: float, b: float, product: float) -> float:
    """A b - product, where product is a b rounded (Dekker, 1971)."""
    large = a * 134217729.0
    a_high = large - (large - a)
    large = b * 134217729.0
    b_high = large - (large - b)
    a_low, b_low = a - a_high, b - b_high
    return a_low * b_low - (((product - a_high * b_high) - a_low * b_high) - a_high * b_low)


@compiled
def exp_all(x: FloatArray) -> FloatArray:
    """(n,) e^x of (n,) numbers, for compiled callers."""
    result = np.empty(len(x))
    for i in range(len(x)):
        result[i] = exp(x[i])
    return result


_EXP, _EXP2, _EXPM1, _LOG, _LOG1P, _LOG2, _CBRT = range(7)


@compiled
def _fill(which: int, x: FloatArray, result: FloatArray) -> None:
    """One of the functions above of each, flat and contiguous."""
    for i in range(x.size):
        if which == _EXP:
            result[i] = exp(x[i])
        elif which == _EXP2:
            result[i] = exp2(x[i])
        elif which == _EXPM1:
            result[i] = expm1(x[i])
        elif which == _LOG:
            result[i] = log(x[i])
        elif which == _LOG1P:
            result[i] = log1p(x[i])
        elif which == _LOG2:
            result[i] = log2(x[i])
        else:
            result[i] = cbrt(x[i])


@compiled
def _fill_power(x: FloatArray, y: FloatArray, result: FloatArray) -> None:
    for i in range(x.size):
        result[i] = power(x[i], y[i])


def _each(which: int, x: FloatArray) -> FloatArray:
    x = np.asarray(x, np.float64)
    result = np.empty(x.shape)
    # Not `ravel` of what is read-only: numba would compile once more for it.
    _fill(which, x.flatten(), result.reshape(-1))
    return result


def exp_each(x: FloatArray) -> FloatArray:
    """e^x of each, in any shape."""
    return _each(_EXP, x)


def exp2_each(x: FloatArray) -> FloatArray:
    """2^x of each, in any shape."""
    return _each(_EXP2, x)


def expm1_each(x: FloatArray) -> FloatArray:
    """e^x - 1 of each, in any shape."""
    return _each(_EXPM1, x)


def log_each(x: FloatArray) -> FloatArray:
    """Natural logarithm of each, in any shape."""
    return _each(_LOG, x)


def log1p_each(x: FloatArray) -> FloatArray:
    """ln(1 + x) of each, in any shape."""
    return _each(_LOG1P, x)


def log2_each(x: FloatArray) -> FloatArray:
    """Logarithm to base 2 of each, in any shape."""
    return _each(_LOG2, x)


def cbrt_each(x: FloatArray) -> FloatArray:
    """Cube root of each, in any shape."""
    return _each(_CBRT, x)


def power_each(x: FloatArray, y: FloatArray | float) -> FloatArray:
    """x^y of each; the shapes are broadcast."""
    bases, exponents = np.broadcast_arrays(np.asarray(x, np.float64), np.asarray(y, np.float64))
    result = np.empty(bases.shape)
    _fill_power(bases.flatten(), exponents.flatten(), result.reshape(-1))
    return result
