"""The numbers of a recorded step by levels: which of them are computed side by side, as one operation on arrays.

A number's level is one more than the highest of those that it is made of, so that all numbers of a level can be
computed at once. Those of one operation are a ``Group``. Before that, a sum that is written as a chain, ``((b + w₁x₁) +
w₂x₂) + ...``, is taken as one number with all its terms, products included: it would be as many levels as it has terms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

from tinygrad_lm.autograd import rules
from tinygrad_lm.autograd.elementwise import Elementwise
from tinygrad_lm.autograd.graph import Operation
from tinygrad_lm.autograd.nary import dot_of_scalars, sum_of_scalars
from tinygrad_lm.replay.value_recording import CONSTANT, INPUT, LEAF, SAME, Made, Unplannable

SUM = "sum of products"
_KNOWN = frozenset((*rules.TABLE.values(), sum_of_scalars, dot_of_scalars))


class Unit(NamedTuple):
    """A number that is computed by itself: of which operands, of which terms where it is a sum, and which need it."""

    place: int
    how: Elementwise | str
    of: Sequence[int]
    """The sources of the operands; of a sum, term by term, one for a number and two for a product."""
    needs: Sequence[bool]
    """Which of them are to be given a gradient."""
    products: Sequence[bool] = ()
    """Which terms of a sum are products."""


@dataclass
class Group:
    """Numbers of one level that are computed as one."""

    how: Elementwise | str
    needs: tuple[bool, ...]
    products: tuple[bool, ...]
    units: list[Unit]


class Levels:
    """What is computed of a recorded step, in its order.

    Attributes
    ----------
    constants, inputs, leaves
        The places of the numbers that are there before anything is computed, and that are needed.
    groups
        What is computed, level by level.
    graded
        Which leaves are given a gradient.
    """

    def __init__(self, made: Sequence[Made], wanted: Iterable[int], root: int | None) -> None:
        self._made = made
        self._sources = [*range(len(made))]
        for place, one in enumerate(made):
            if one.how == SAME:
                self._sources[place] = self._sources[one.of[0]]
        self._needs = self._needed()
        self._graded = self._reached(root)
        self.numbers: dict[int, float] = {}
        """The constants."""
        wanted = {self._sources[place] for place in [*wanted, *([] if root is None else [root])]}
        alive = self._alive(wanted)
        units = self._units(alive, wanted)
        self.groups = self._grouped(units)
        used = wanted.union(*(unit.of for unit in units))
        self.constants = [place for place in sorted(used) if place in self.numbers]
        self.inputs = [place for place in sorted(used) if made[place].how == INPUT]
        self.graded = [place for place in sorted(self._graded) if made[place].how == LEAF]
        self.leaves = [place for place in sorted(used) if made[place].how == LEAF]

    def source(self, place: int) -> int:
        """The place of the number that one at a place is."""
        return self._sources[place]

    def _needed(self) -> list[bool]:
        """Of each number, whether a gradient that comes to it comes to a leaf."""
        needs: list[bool] = []
        for one in self._made:
            needs.append(one.learns and (one.how == LEAF or any(needs[place] for place in one.of)))
        return needs

    def _reached(self, root: int | None) -> set[int]:
        """The numbers that are given a gradient."""
        if root is None or not self._needs[root]:
            return set()
        found, waiting = {root}, [root]
        while waiting:
            for place in self._made[waiting.pop()].of:
                if self._needs[place] and place not in found:
                    found.add(place)
                    waiting.append(place)
        return found

    def _alive(self, wanted: Iterable[int]) -> list[int]:
        """The places of the numbers that have to be computed, in their order."""
        found = set(wanted)
        waiting = [*found]
        while waiting:
            for place in self._made[waiting.pop()].of:
                source = self._sources[place]
                if source not in found:
                    found.add(source)
                    waiting.append(source)
        return sorted(found)

    def _units(self, alive: list[int], wanted: Iterable[int]) -> list[Unit]:
        uses = Counter(self._sources[place] for one in alive for place in self._made[one].of)
        uses.update(wanted)
        made, graded = self._made, self._graded
        units: dict[int, Unit] = {}
        for place in alive:
            how, of = made[place].how, made[place].of
            if how == CONSTANT:
                self.numbers[place] = float.fromhex(cast("str", made[place].what))
                continue
            if isinstance(how, str):
                continue
            if how not in _KNOWN:
                raise Unplannable(
                    f"{how.name!r} is an operation of one's own: a step over Values is replayed without those"
                )
            given = [self._sources[one] for one in of]
            if all(one in self.numbers for one in given):
                number = how.on_floats([self.numbers[one] for one in given])
                if number - number == 0.0:
                    self.numbers[place] = number
                    continue
            needs = tuple(place in graded and one in graded for one in of)
            unit = Unit(place, cast("Elementwise", how), tuple(given), needs)
            alone = {one for one in of if uses[one] == 1 and self._sources[one] == one}
            units[place] = self._with_terms(unit, how, units, alone)
        return [*units.values()]

    def _with_terms(self, unit: Unit, how: Operation, units: dict[int, Unit], alone: set[int]) -> Unit:
        """A number with the terms of the sums, and the factors of the products, that it alone is made of."""
        of, needs = unit.of, unit.needs
        if how is dot_of_scalars:
            half = len(of) // 2
            pairs = [i for j in range(half) for i in (j, half + j)]
            return Unit(unit.place, SUM, tuple(of[i] for i in pairs), tuple(needs[i] for i in pairs), (True,) * half)
        if how is not rules.add and how is not sum_of_scalars:
            return unit
        terms = [(place, need) for place, need in zip(of, needs, strict=True)]
        start: Unit | None = None
        if how is rules.add:
            # The sum that goes on comes first, and is added to: a + b is b + a to the bit.
            for i in (0, 1):
                inner = units.get(of[i])
                if of[i] in alone and inner is not None and (inner.how == SUM or inner.how is rules.add):
                    start = units.pop(of[i])
                    terms.pop(i)
                    break
        found, needed, products = (list[int](), list[bool](), list[bool]()) if start is None else _taken_on(start)
        for place, need in terms:
            factor = units.get(place)
            if place in alone and factor is not None and factor.how is rules.mul:
                units.pop(place)
                found += factor.of
                needed += factor.needs
                products.append(True)
            else:
                found.append(place)
                needed.append(need)
                products.append(False)
        if how is rules.add and len(products) == 2 and not any(products):
            return unit
        return Unit(unit.place, SUM, found, needed, products)

    def _grouped(self, units: list[Unit]) -> list[Group]:
        levels: dict[int, int] = {}
        groups: dict[tuple[object, ...], Group] = {}
        for unit in units:
            level = 1 + max(levels.get(place, 0) for place in unit.of) if unit.of else 1
            levels[unit.place] = level
            needs, products = tuple(unit.needs), tuple(unit.products)
            key = level, unit.how, needs, products
            whole = Unit(unit.place, unit.how, tuple(unit.of), needs, products)
            groups.setdefault(key, Group(unit.how, needs, products, [])).units.append(whole)
        return [groups[key] for key in sorted(groups, key=lambda key: cast("int", key[0]))]


def _taken_on(start: Unit) -> tuple[list[int], list[bool], list[bool]]:
    """The terms of a sum, to be added to: lists of a sum that nobody else has."""
    return _own(start.of), _own(start.needs), _own(start.products or (False, False))


def _own(found: Sequence[Any]) -> list[Any]:
    return found if isinstance(found, list) else [*found]
