"""Which fields of a film are of one moment: the cheapest story that explains how they comb, change and repeat.

A story is a row of cadences, each of which goes round: single fields of video, pairs, and the twos and threes of film
that was made to fit televisions of 60 fields a second. Going on in one is free, and beginning another, or another place
of the same after a cut, costs as much as a few fields that do not fit. (Viterbi's algorithm.)
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from .measure import Measures

# How many fields each picture has, in turn.
_CADENCES = ((1,), (2,), (2, 3), (2, 3, 3, 2))

# Of what does not fit; a field that fits nowhere costs 1.
_BREAK = 2.0
_PARTED = 0.25  # fields that do not comb are parted
_UNTOLD = 0.5  # a field comes again and the cadence does not say so, or the other way round
_RARE = 0.003  # a field of a cadence of several numbers: where nothing moves, the simpler one
_LATE = 0.02  # a pair out of two frames: where little moves, frames stay

# Combing that is seen, from hardly to plainly, in levels.
_SEEN = (1.5, 4.5)
# Noise in levels; and the part, in percent, of the fields of a film that are still or come again, and so change by it.
_NOISE, _STILL = 3.0, 10


@dataclass(frozen=True)
class Group:
    """Fields [start, stop) of one picture.

    `is_film`: its cadence is of twos and threes. `is_video`: it is a field alone, as those around. `goes_on`: with the
    cadence of the group before.
    """

    start: int
    stop: int
    is_film: bool = False
    is_video: bool = False
    goes_on: bool = True

    @property
    def fields(self) -> int:
        """How many they are."""
        return self.stop - self.start


@dataclass(frozen=True)
class _States:
    """Places in cadences: which comes `before` each, and what each says of its field.

    `joins`: the next field is of the same picture. `repeats`: the field after the next is a copy. `pairs`: it is the
    first of two, as all are in its cadence.
    """

    cadence: NDArray[np.intp]
    before: NDArray[np.intp]
    joins: NDArray[np.bool_]
    repeats: NDArray[np.bool_]
    pairs: NDArray[np.bool_]
    price: NDArray[np.float64]


def find_groups(measures: Measures, *, allow_video: bool = True) -> list[Group]:
    """Say which fields make a picture.

    Args:
        measures: Of all fields.
        allow_video: Fields may be single ones.
    """
    cadences = _CADENCES if allow_video else _CADENCES[1:]
    states = _make_states(cadences)
    path = _cheapest(_costs(measures, states), states)
    follows = np.append(False, states.before[path[1:]] == path[:-1])
    starts = np.flatnonzero(~follows | np.append(True, ~states.joins[path[:-1]]))
    groups = []
    for start, stop in pairwise([*starts.tolist(), len(path)]):
        lengths = cadences[states.cadence[path[start]]]
        groups.append(Group(start, stop, len(lengths) > 1, lengths == (1,), bool(follows[start])))
    return groups


def seen(combing: NDArray[np.float32]) -> NDArray[np.float64]:
    """Say how plainly combing is seen, from 0 to 1."""
    low, high = _SEEN
    return np.asarray(np.clip((combing - low) / (high - low), 0, 1), np.float64)


def _make_states(cadences: tuple[tuple[int, ...], ...]) -> _States:
    places = [
        (number, place, length)
        for number, lengths in enumerate(cadences)
        for length in lengths
        for place in range(length)
    ]
    number = np.array([place[0] for place in places])
    index = np.arange(len(places))
    first = np.array([np.flatnonzero(number == which)[0] for which in number])
    last = np.array([np.flatnonzero(number == which)[-1] for which in number])
    joins = np.array([place + 1 < length for _, place, length in places])
    repeats = np.array([place == 0 and length == 3 for _, place, length in places])
    # Fields that are parted cost a little: as much in all cadences of film as in pairs, where nothing moves.
    parted = np.array([1 - joins[number == which].mean() for which in number])
    price = np.array([0 if len(cadences[which]) == 1 else _RARE * len(cadences[which]) for which in number])
    price += np.where(parted < 0.5, _PARTED * (0.5 - parted), 0)
    pairs = joins & np.array([len(cadences[which]) == 1 for which in number])
    return _States(number, np.where(index == first, last, index - 1), joins, repeats, pairs, price)


def _costs(measures: Measures, states: _States) -> NDArray[np.float64]:
    """Price each state for each field, as [fields, states]."""
    # Of the last field nobody knows what follows.
    combs = np.append(seen(measures.combing), 0.0)[:, None]
    changes, repeats = (np.append(each, (0.0, 0.0))[:, None] for each in _tell_repeats(measures.change))
    joined = np.where(states.joins, combs, _PARTED * (1 - combs))
    costs = joined + _UNTOLD * np.where(states.repeats, changes, repeats) + states.price
    costs[1::2, states.pairs] += _LATE
    return np.asarray(costs)


def _tell_repeats(change: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Say of each field how surely the one two later is another, and how surely it is the same again, from 0 to 1.

    The fields around tell how much there is to see: where these change and it does not, it comes again.
    """
    noise = max(_NOISE, 2 * float(np.percentile(change, _STILL)))
    logs = np.pad(np.log2(change.astype(np.float64) + 1), 3, mode="edge")
    beside = np.lib.stride_tricks.sliding_window_view(logs, 7)
    octaves = logs[3:-3]
    changes = np.clip(1 + octaves - beside.max(axis=1), 0, 1) * (change > noise)
    return changes, np.clip(np.minimum(beside[:, 2], beside[:, 4]) - octaves - 0.5, 0, 1)


def _cheapest(costs: NDArray[np.float64], states: _States) -> NDArray[np.intp]:
    """Find the state of each field."""
    score = costs[0]
    came = np.empty(costs.shape, np.int8)
    for number, prices in enumerate(costs[1:], 1):
        best = score.argmin()
        goes_on = score[states.before]
        breaks = goes_on > score[best] + _BREAK
        came[number] = np.where(breaks, best, states.before)
        score = np.where(breaks, score[best] + _BREAK, goes_on) + prices
    path = np.empty(len(costs), np.intp)
    path[-1] = score.argmin()
    for number in range(len(costs) - 1, 0, -1):
        path[number - 1] = came[number, path[number]]
    return path
