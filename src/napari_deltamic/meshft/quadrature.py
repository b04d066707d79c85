"""Symmetric quadrature rules on the triangle, and how large a triangle each may serve.

The rules are fully symmetric, with positive weights and points inside. They were found by solving
the moment equations up to their degree from random starts; `tests/meshft/test_quadrature.py`
checks them against the exact moments.
"""

from __future__ import annotations

from itertools import permutations
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Rule(NamedTuple):
    """One rule, by its orbits; weights add to 1."""

    degree: int
    centre: float
    """Weight of the centroid, 0 if it is not a point."""
    threes: tuple[tuple[float, float], ...]
    """(weight, a) of the orbits (1 - 2 a, a, a)."""
    sixes: tuple[tuple[float, float, float], ...]
    """(weight, a, b) of the orbits (1 - a - b, a, b)."""
    spreads: tuple[float, ...]
    """Largest phase spread for relative errors of 1e-1, 1e-2, ... 1e-13.

    The spread is the longest edge, each axis scaled by 2 pi times the band's largest frequency;
    the error is in the L2 norm over the band, the worst of 30 shapes of triangle.
    """


RULES = (
    Rule(
        1,
        1.0,
        (),
        (),
        (2.33, 0.741, 0.235, 0.074, 0.0235, 0.0074, 0.0023, 7e-4, 2e-4, 7e-5, 2e-5, 7e-6, 2e-6),
    ),
    Rule(
        2,
        0.0,
        ((1 / 3, 1 / 6),),
        (),
        (5.66, 3.1, 1.66, 0.837, 0.401, 0.188, 0.087, 0.04, 0.0187, 0.0087, 0.004, 1.8e-3, 8e-4),
    ),
    Rule(
        4,
        0.0,
        ((0.22338158967801147, 0.44594849091596495), (0.10995174365532184, 0.09157621350977073)),
        (),
        (8.62, 5.54, 3.61, 2.33, 1.487, 0.944, 0.596, 0.377, 0.238, 0.150, 0.095, 0.060, 0.038),
    ),
    Rule(
        6,
        0.0,
        ((0.1167862757263767, 0.2492867451709117), (0.05084490637020631, 0.06308901449150185)),
        ((0.08285107561837517, 0.3103524510337833, 0.05314504984481815),),
        (12.09, 8.48, 6.22, 4.62, 3.43, 2.53, 1.859, 1.355, 0.983, 0.711, 0.513, 0.370, 0.266),
    ),
    Rule(
        8,
        0.14431560767777699,
        (
            (0.03245849762319883, 0.05054722831703131),
            (0.10321737053471915, 0.1705693077517547),
            (0.09509163426729064, 0.45929258829271763),
        ),
        ((0.02723031417443287, 0.008394777409949601, 0.26311282963465477),),
        (14.03, 10.38, 8.01, 6.27, 4.88, 3.80, 2.96, 2.30, 1.78, 1.382, 1.070, 0.829, 0.642),
    ),
    Rule(
        10,
        0.07989450474121322,
        ((0.008223818690464011, 0.02330886750999998), (0.07112380223238908, 0.425086210602082)),
        (
            (0.03735985623427799, 0.02994603195414419, 0.3587401418644676),
            (0.030886656884562866, 0.03563255958750222, 0.1432953704268656),
            (0.04543059229619707, 0.14792562620942942, 0.22376697357707262),
        ),
        (17.4, 13.0, 10.2, 8.16, 6.59, 5.35, 4.35, 3.54, 2.87, 2.33, 1.895, 1.538, 1.248),
    ),
    Rule(
        12,
        0.0,
        (
            (0.04369254453977701, 0.4397243922931706),
            (0.0628582242165962, 0.2712103850127074),
            (0.025731066441305826, 0.48821738977307316),
            (0.034796112927527094, 0.12757614553647367),
            (0.006166261052058499, 0.02131735045430677),
        ),
        (
            (0.017316231108257776, 0.02573405054762148, 0.11625191591015471),
            (0.022356773201766496, 0.02283833222166481, 0.2813255809928952),
            (0.04037155776801008, 0.1153434945354856, 0.27571326967765764),
        ),
        (20.0, 16.1, 13.0, 10.68, 8.86, 7.40, 6.20, 5.21, 4.37, 3.66, 3.08, 2.58, 2.16),
    ),
)


class QuadratureTables(NamedTuple):
    """The rules as arrays, padded to the longest."""

    points: NDArray[np.float64]
    """(rules, most points, 3) barycentric coordinates."""
    weights: NDArray[np.float64]
    """(rules, most points); each rule's add to 1."""
    counts: NDArray[np.int64]
    """(rules,) number of points."""
    largest_spread: NDArray[np.float64]
    """(rules,) largest phase spread that keeps the tolerance."""


def expand(rule: Rule) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the rule's (n, 3) points in barycentric coordinates and (n,) weights."""
    points: list[tuple[float, ...]] = []
    weights: list[float] = []
    if rule.centre:
        points.append((1 / 3, 1 / 3, 1 / 3))
        weights.append(rule.centre)
    for weight, a in rule.threes:
        points += [(1 - 2 * a, a, a), (a, 1 - 2 * a, a), (a, a, 1 - 2 * a)]
        weights += [weight] * 3
    for weight, a, b in rule.sixes:
        points += list(permutations((1 - a - b, a, b)))
        weights += [weight] * 6
    return np.array(points), np.array(weights)


def quadrature_tables(tolerance: float) -> QuadratureTables:
    """Return the rules with the phase spread up to which each keeps ``tolerance``."""
    expanded = [expand(rule) for rule in RULES]
    counts = np.array([len(weights) for _, weights in expanded])
    points = np.zeros((len(RULES), counts.max(), 3))
    weights = np.zeros((len(RULES), counts.max()))
    for row, (rule_points, rule_weights) in enumerate(expanded):
        points[row, : counts[row]] = rule_points
        weights[row, : counts[row]] = rule_weights
    exponents = -np.arange(1, len(RULES[0].spreads) + 1)
    largest = [
        # np.interp wants its abscissae to ascend.
        np.exp(np.interp(np.log10(tolerance), exponents[::-1], np.log(rule.spreads)[::-1]))
        for rule in RULES
    ]
    return QuadratureTables(points, weights, counts, np.array(largest))
