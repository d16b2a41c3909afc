"""How often one run has seen its queues anew, and what that says about intervals.

A busy queue fills and empties slowly, and a run that happened to see no busy spell looks as if its queue
were short and quick: its autocorrelation says nothing, its arrivals do. A queue near its capacity is a
reflected Brownian motion (Harrison, Brownian Motion and Stochastic Flow Systems, 1985) of mean m, whose
square is its variance; with the variance s² per slot of what comes and goes, the relative variance of its
mean over T slots is 8 m² / (s² T). Here s² T is seen in the arrivals, or in the queue's steps from batch to
batch where service varies more. For N queues together, or where a queue moves about a level, m² is replaced
by the variance v of the whole and its share of the mean: 8 v² / (m² s² T). The inverse is the number of
independent looks. Excursions above a level that a share p of the time is spent at come in clusters
(Aldous, Probability Approximations via the Poisson Clumping Heuristic, 1989), some p times as many.
"""

import math

import numpy as np

from ..simulator.core.arrays import FloatArray
from .confidence_intervals import CALM, FEWEST_BATCHES, Caution, rounded, spread_of_means

LEAST_LOOKS = 14.0
"""A run of fewer, if its queues had as much variance as those of N alike queues, is too short."""

FEW_LOOKS = 40.0
"""Where there are fewer, they say how wide an interval has to be at least."""

STEADY = 0.15
"""Queues whose mean is known as well as this, relative, move about a level: nothing is said about them."""


def caution(
    queued: FloatArray, at_start: FloatArray, arrived: FloatArray, devices: int, slots: int
) -> Caution:
    """What queues say about the intervals of all that follows them.

    Args:
        queued: (K,) bit, all queues together, the mean of each batch.
        at_start: (K,) bit, at the start of each batch.
        arrived: (K,) bit, in each batch.
        devices: N.
        slots: that the run has, for how many it would need.
    """
    mean = float(queued.mean())
    if len(queued) < FEWEST_BATCHES or not mean > 0.0:
        return CALM
    step = max(float(arrived.var(ddof=1)), float(np.diff(at_start).var(ddof=1)))
    variance = max(float(queued.var(ddof=1)), float(at_start.var(ddof=1)))
    known = float(spread_of_means((queued - mean)[None, :]).half_width[0]) / mean
    if not (step > 0.0 and variance > 0.0 and known > 0.0):
        return CALM
    moved = len(queued) * step * mean**2 / 8.0
    looks, surely = moved / variance**2, moved / max(variance, mean**2 / devices) ** 2
    needed = None
    if surely < LEAST_LOOKS and known > STEADY:
        needed = rounded(slots * 2.0 * LEAST_LOOKS / surely)
    least = 1.96 / math.sqrt(looks) if looks < FEW_LOOKS else 0.0
    return Caution(max(1.0, least / known), least, looks, needed)
