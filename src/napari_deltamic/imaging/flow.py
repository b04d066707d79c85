"""Smooth motion that keeps volumes: sums of transverse waves, a turn and a drift."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_WAVES = 8
_WAVELENGTHS = (1.6, 3.2)
"""In radii of what moves."""
_PERIODS = (15.0, 40.0)
"""In frames; about as long as motion goes on in one direction."""
_SHARES = (0.80, 0.15, 0.05)
"""Of the mean square displacement: waves, turn, drift."""
_SUBSTEPS = 2


class Flow:
    """A velocity field about the origin without divergence, in um a frame.

    Parameters
    ----------
    radius
        Of what moves, in um.
    step
        Root mean square displacement a frame within that radius, in um.
    rng
        Chooses the waves, the axis of the turn and the direction of the drift.
    """

    def __init__(self, radius: float, step: float, rng: np.random.Generator) -> None:
        waves, turn, drift = step * np.sqrt(_SHARES)
        directions = _unit_vectors(rng, _WAVES)
        lengths = radius * rng.uniform(*_WAVELENGTHS, _WAVES)
        self._wave_vectors = 2.0 * np.pi * directions / lengths[:, None]
        self._phases = rng.uniform(0.0, 2.0 * np.pi, _WAVES)
        turning = rng.choice([-1.0, 1.0], _WAVES)
        self._rates = turning * 2.0 * np.pi / rng.uniform(*_PERIODS, _WAVES)
        across = np.cross(directions, _unit_vectors(rng, _WAVES))
        across /= np.linalg.norm(across, axis=1)[:, None]
        # A wave's mean square is half its amplitude's square.
        self._amplitudes = waves * np.sqrt(2.0 / _WAVES) * across
        # In a ball the mean square distance from an axis is two fifths of the radius' square.
        self._spin = turn / (radius * np.sqrt(0.4)) * _unit_vectors(rng, 1)[0]
        self._drift = drift * _unit_vectors(rng, 1)[0]

    def velocity(self, points: NDArray[np.float64], time: float) -> NDArray[np.float64]:
        """Return (N, 3) um a frame at (N, 3) points, at a time in frames."""
        centred = points - self._drift * time
        phases = centred @ self._wave_vectors.T + (self._phases + self._rates * time)
        return np.asarray(
            np.sin(phases) @ self._amplitudes + np.cross(self._spin, centred) + self._drift
        )

    def carried(self, points: NDArray[np.float64], frames: int) -> NDArray[np.float64]:
        """Return (frames, N, 3) where points are at the times 0, 1, ..., by Runge and Kutta."""
        paths = [points]
        dt = 1.0 / _SUBSTEPS
        for part in range((frames - 1) * _SUBSTEPS):
            time = part * dt
            k1 = self.velocity(points, time)
            k2 = self.velocity(points + 0.5 * dt * k1, time + 0.5 * dt)
            k3 = self.velocity(points + 0.5 * dt * k2, time + 0.5 * dt)
            k4 = self.velocity(points + dt * k3, time + dt)
            points = points + dt / 6.0 * (k1 + 2.0 * k2 + 2.0 * k3 + k4)
            if (part + 1) % _SUBSTEPS == 0:
                paths.append(points)
        return np.stack(paths)


def _unit_vectors(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    vectors = rng.normal(size=(count, 3))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1)[:, None])
