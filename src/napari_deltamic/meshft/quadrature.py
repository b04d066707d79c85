"""Symmetric quadrature rules on the triangle, and how large a triangle each may serve.

The rules are fully symmetric, with positive weights and points inside. Those up to degree 12 were
found by solving the moment equations from random starts, but for Radon's of degree 5 (1948);
degree 14 is Dunavant's (1985), solved to the last digit, and 16 Zhang's, Cui's and Liu's (2009).
`tests/meshft/test_quadrature.py` checks them against the exact moments.
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
        5,
        0.225,
        ((0.13239415278850618, 0.47014206410511509), (0.12593918054482715, 0.10128650732345634)),
        (),
        (8.8, 5.76, 3.92, 2.67, 1.82, 1.238, 0.843, 0.572, 0.39, 0.265, 0.181, 0.123, 0.084),
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
    Rule(
        14,
        0.0,
        (
            (0.0218835813693857, 0.4889639103621902),
            (0.032788353543924564, 0.4176447193400713),
            (0.051774104507137285, 0.2734775283088329),
            (0.04216258873699902, 0.17720553241255643),
            (0.014433699669882708, 0.061799883091180854),
            (0.004923403602439671, 0.01939096124878029),
        ),
        (
            (0.02466575321254652, 0.057124757403690184, 0.17226668782180896),
            (0.03857151078716001, 0.09291624935715635, 0.3368614597967628),
            (0.014436308113547477, 0.014646950055693444, 0.29837288213645485),
            (0.0050102288385281525, 0.0012683309329244701, 0.11897449769714269),
        ),
        (22.3, 17.8, 14.6, 12.3, 10.4, 8.94, 7.66, 6.58, 5.65, 4.86, 4.18, 3.60, 3.09),
    ),
    Rule(
        16,
        0.04802218868037709,
        (
            (0.014709100306801927, 0.08179498313137387),
            (0.029544586549319254, 0.16530060196977964),
            (0.026125017351088377, 0.4685921053494614),
            (0.002780387352390007, 0.014438813445416683),
            (0.03182177300053665, 0.24178428539178334),
            (0.00864583434950966, 0.49531034298777),
        ),
        (
            (0.014300332904495365, 0.018086852801558195, 0.33139974453708954),
            (0.02784977720360083, 0.09274155575406079, 0.3032471627499422),
            (0.007041673406636097, 0.0098036829040212, 0.18802805952123716),
            (0.01789983825993373, 0.059989725034874763, 0.18350466852229685),
            (0.027458200384349762, 0.1744156124883779, 0.359645948797504),
            (0.007299796939431762, 0.016410784712203058, 0.07719437129575543),
        ),
        (25.5, 20.6, 17.4, 14.9, 12.9, 11.3, 9.88, 8.63, 7.56, 6.62, 5.80, 5.09, 4.46),
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
