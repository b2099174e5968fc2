#!/usr/bin/env python3
"""Fits erf(z) = z P(z^2)/Q(z^2) on [0, 3.92] and prints src/tensor/erf_fit.h (needs numpy).

Weighted least squares, the weights of each round taken from the last one's denominator and errors (Sanathanan-Koerner,
then Lawson), in double precision; checked at the end in single precision over a million points."""
import math

import numpy

END, P_TERMS, Q_TERMS = 3.92, 6, 6


def fit() -> tuple[numpy.ndarray, numpy.ndarray]:
    z = END * (1 - numpy.cos(numpy.linspace(0, math.pi, 4001))) / 2
    z[0] = 1e-6
    wanted = numpy.array([math.erf(v) for v in z]) / z
    s = (z / END) ** 2
    weight, below = numpy.ones_like(z), numpy.ones_like(z)
    best = None
    for _ in range(400):
        scale = weight * z / below
        columns = [s**i for i in range(P_TERMS)] + [-wanted * s**i for i in range(1, Q_TERMS)]
        solution = numpy.linalg.lstsq(numpy.stack(columns, 1) * scale[:, None], wanted * scale, rcond=None)[0]
        p, q = solution[:P_TERMS], numpy.concatenate([[1.0], solution[P_TERMS:]])
        below = sum(c * s**i for i, c in enumerate(q))
        error = numpy.abs(sum(c * s**i for i, c in enumerate(p)) / below - wanted) * z
        if best is None or error.max() < best[0]:
            best = (error.max(), p, q)
        weight = weight * numpy.sqrt(error / error.max() + 1e-3)
        weight /= weight.max()
    powers = END ** (-2.0 * numpy.arange(max(P_TERMS, Q_TERMS)))
    return best[1] * powers[:P_TERMS], best[2] * powers[:Q_TERMS]


def main() -> None:
    p, q = (c.astype(numpy.float32) for c in fit())
    z = numpy.linspace(0, END, 1_000_001).astype(numpy.float32)
    s = z * z
    top, bottom = numpy.full_like(z, p[-1]), numpy.full_like(z, q[-1])
    for c in p[-2::-1]:
        top = top * s + c
    for c in q[-2::-1]:
        bottom = bottom * s + c
    error = numpy.abs(z * top / bottom - numpy.array([math.erf(v) for v in z])).max()
    print("/* Written by tools/fit_erf.py: erf(z) = z P(z^2)/Q(z^2) for |z| <= ERF_END, highest power first.")
    print(f" * Largest absolute error in single precision: {error:.2g}. */")
    print(f"#define ERF_END {END}f")
    for name, terms in (("ERF_P", p), ("ERF_Q", q)):
        print(f"static const float {name}[] = {{" + ", ".join(f"{c:.9e}f" for c in terms[::-1]) + "};")


if __name__ == "__main__":
    main()
