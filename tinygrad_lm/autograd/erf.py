"""The error function on arrays, which NumPy lacks and the exact GELU needs."""

from __future__ import annotations

import numpy as np

from tinygrad_lm.autograd.types import Array

# Chebyshev coefficients of log(erfc(z) * exp(z**2) / t) in 2t - 1, where t = 2.5 / (2.5 + z) runs over
# (0, 1] as z runs over all of [0, inf): a smooth function there, so 29 terms reach the last bit of a double.
# Computed with 60 digits; the tests compare the result with math.erf.
_COEFFICIENTS = (
    -0.8017227063616483,
    0.7491800905491134,
    0.05957091108560797,
    -0.0048242679342493594,
    -0.002270484010357532,
    -3.61014862154082e-05,
    9.896806239868941e-05,
    8.791352429736969e-06,
    -4.7605967157391e-06,
    -7.220311163626411e-07,
    2.4742228450981786e-07,
    4.996487648815927e-08,
    -1.3765039933327447e-08,
    -3.1969922948685314e-09,
    8.106317702213096e-10,
    1.9171508762619627e-10,
    -4.943649727708743e-11,
    -1.0642612783241152e-11,
    3.0137843458558076e-12,
    5.308665535984049e-13,
    -1.7492689235090123e-13,
    -2.2683651761694826e-14,
    9.01022294402635e-15,
    7.936058393081948e-16,
    -3.5838236525382895e-16,
    -2.874936792019516e-17,
    5.849235176635591e-18,
    2.683693649965858e-18,
    5.698224005617918e-19,
)


def erf(x: Array) -> Array:
    """The error function of each element, to 3e-16 absolute in float64; the dtype follows NumPy."""
    z = np.abs(x)
    t = 2.5 / (2.5 + z)
    u = 2 * t - 1
    ahead, further = 0 * u, 0 * u
    for coefficient in _COEFFICIENTS[:0:-1]:
        ahead, further = 2 * u * ahead - further + coefficient, ahead
    series = u * ahead - further + _COEFFICIENTS[0]
    far = np.copysign(1 - t * np.exp(series - z * z), x)
    # Near 0 the difference from 1 loses digits that the power series has.
    near = 1.1283791670955126 * x * (1 - z * z * (1 / 3 - z * z * (0.1 - z * z * (1 / 42 - z * z / 216))))
    return np.where(z < 0.02, near, far)
