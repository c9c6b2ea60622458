"""A step over ``Value``s that is recorded twice, planned by levels, tried once, and replayed from then on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

from tinygrad_lm.autograd.value import Value
from tinygrad_lm.replay.arguments import Unfit
from tinygrad_lm.replay.calls import Broken
from tinygrad_lm.replay.draws import Draws
from tinygrad_lm.replay.reach import Reached
from tinygrad_lm.replay.scalar_plan import Odd, ScalarPlan, alike
from tinygrad_lm.replay.value_recording import Unplannable, ValueRecorder
from tinygrad_lm.replay.watched_values import Given, plain

WAYS = 4
"""How many ways through a step, by the branches that it takes, are planned for arguments of one form."""

MOST_FORMS = 256
"""For how many forms of arguments there are plans at most."""

PATIENCE = 50
"""How often everything is forgotten, since the step sees something else, before it is no longer recorded at all."""


class Numbers:
    """The numbers and ``Value``s among the arguments of a call, however they are nested, and the form of the rest."""

    def __init__(self, args: tuple[Any, ...], fixed: bool) -> None:
        self.numbers: list[Any] = []
        self.values: list[Value] = []
        self._fixed = fixed
        """Whether whole numbers are a part of the form."""
        self.form = tuple(map(self._form, args))

    def _form(self, x: Any) -> object:
        kind = cast("Any", type(x))
        if kind is float or (kind is int and not self._fixed):
            self.numbers.append(x)
            return kind
        if kind is list or kind is tuple:
            kinds = {*map(type, x)}
            if len(kinds) == 1 and kinds <= {float, int} and not (self._fixed and int in kinds):
                self.numbers.extend(x)
                return kind, len(x), kinds.pop()
            return kind, tuple(map(self._form, x))
        if kind is Value:
            self.values.append(x)
            return kind, x.requires_grad
        if kind in (str, bool, bytes, type(None), int):
            return kind, x
        raise Unfit(f"an argument is a {kind.__name__}: hand over numbers, lists of numbers, and Values")

    def stood_in(self, x: Any, recorder: ValueRecorder) -> Any:
        """An argument with what is noted in place of its numbers."""
        kind = cast("Any", type(x))
        if kind is float or (kind is int and not self._fixed):
            return recorder.given(x)
        return _of(kind, [self.stood_in(one, recorder) for one in x]) if kind in (list, tuple) else x


@dataclass
class Form:
    """What is known of the calls with arguments of one form."""

    title: str
    plans: list[ScalarPlan] = field(default_factory=list[ScalarPlan])
    recorded: list[tuple[Any, list[Value]]] = field(default_factory=list[tuple[Any, list[Value]]])
    """Of the runs that have no plan yet: what another one that did the same shares, and the Values they made."""
    reason: str = ""
    """Why these calls are never replayed; empty where they are, or may be."""
    calls: int = 0
    replayed: int = 0
    odd: int = 0
    """How many calls met numbers that Python and NumPy answer differently."""

    def __str__(self) -> str:
        plans = f"{len(self.plans)} plan{'s' * (len(self.plans) != 1)} by levels"
        odd = (
            f"{self.odd} as they are, since a number was inf, nan, too large, or had no derivative" if self.odd else ""
        )
        told = [*dict.fromkeys(map(str, self.plans)), odd, f"not replayed: {self.reason}" if self.reason else ""]
        return "\n  ".join(
            [f"{self.title}: {self.calls} calls, {self.replayed} replayed, {plans}", *filter(None, told)]
        )


class ScalarSteps:
    """What is known of a step over ``Value``s."""

    def __init__(self, step: Callable[..., Any], name: Callable[[int], str]) -> None:
        self.step, self._name = step, name
        self._reached: Reached | None = None
        self._forms: dict[Any, Form] = {}
        self._forgotten = 0
        self._fixed = False

    @property
    def forms(self) -> list[Form]:
        """What is known of the calls, by the forms of their arguments."""
        return [*self._forms.values()]

    def __call__(self, args: tuple[Any, ...]) -> Any:
        """The step, replayed where there is a plan for it.

        Raises
        ------
        Unfit
            For arguments that no plan can be made for.
        """
        given = Numbers(args, self._fixed)
        form = self._forms.get(given.form)
        if form is None:
            if len(self._forms) >= MOST_FORMS:
                raise Unfit(f"there are {MOST_FORMS} other forms of arguments already")
            title = ", ".join(f"{self._name(i)} {_titled(x)}" for i, x in enumerate(args)) or "no arguments"
            form = self._forms[given.form] = Form(title)
        form.calls += 1
        if form.reason:
            return self.step(*args)
        reached = self._reached
        if reached is None or not (reached.unchanged() or reached.same()):
            reached = self._start_again()
        if given.values and not _apart(given.values, reached):
            form.calls -= 1
            raise Unfit("a Value that is an argument is given twice, was computed, or is seen by the step anyway")
        for plan in form.plans:
            try:
                found = plan.compute(given.numbers, given.values)
            except Broken:
                continue
            except (Odd, ArithmeticError):
                form.odd += 1
                return self.step(*args)
            if not plan.tried:
                return self._try(plan, found, form, args)
            form.replayed += 1
            return found.finish()
        return self._record(form, reached, args, given)

    def _start_again(self) -> Reached:
        self._forgotten += self._reached is not None
        self._reached = Reached(self.step)
        for form in self._forms.values():
            form.plans.clear()
            form.recorded.clear()
        return self._reached

    def _try(self, plan: ScalarPlan, found: Any, form: Form, args: tuple[Any, ...]) -> Any:
        """Run the step itself, and see whether the plan is right: whether nothing was overlooked."""
        expected = found.gradients()
        result = self.step(*args)
        told = [leaf.grad for leaf, _ in expected]
        if alike((told, result), ([gradient for _, gradient in expected], found.result())):
            plan.tried = True
        else:
            form.reason = "the plan has other numbers than the step: it depends on what cannot be seen"
            form.plans.clear()
        return result

    def _record(self, form: Form, reached: Reached, args: tuple[Any, ...], given: Numbers) -> Any:
        form.reason = reached.reason
        if self._forgotten > PATIENCE:
            form.reason = "what the step can see (a global, an attribute, a list) is another at each call"
        if given.numbers and "type" in reached.names:
            form.reason = "the step asks for type(x), which no number has while it is recorded: ask isinstance"
        if form.reason:
            return self.step(*args)
        recorder = ValueRecorder(reached.values, given.values)
        inputs = [given.stood_in(x, recorder) for x in args]
        draws = Draws(reached.generators, reached.old_generators)
        before = [(leaf, leaf.data, leaf.grad) for leaf in recorder.leaves.values()]
        try:
            with recorder:
                recorder.watch(reached.tensors, reached.optimizers)
                result = self.step(*inputs)
        except Exception as error:
            # A number may do what is given in its place cannot: once more, unless it cannot be as it was.
            if recorder.stepped or not reached.same() or not draws.put_back():
                raise
            for leaf, data, gradient in before:
                leaf.data, leaf.grad = data, gradient
            result = self.step(*args)
            self._refuse(form, recorder, f"where it is recorded: {error}")
            return result
        for x, one in zip(args, inputs, strict=True):
            if _put_back(x, one):
                recorder.reasons.append("the step changes a list that is an argument")
        if not recorder.valued:
            recorder.reasons.append("no Value takes part")
        if draws.unexplained():
            recorder.reasons.append("random numbers were drawn")
        if not reached.same():
            recorder.reasons.append("the step changes what it can see: a global, an attribute, a list")
        if recorder.reasons:
            self._refuse(form, recorder, "")
        else:
            self._plan(form, recorder, result, given)
        return _plainly(result)

    def _refuse(self, form: Form, recorder: ValueRecorder, otherwise: str) -> None:
        if recorder.whole_numbers_read and not self._fixed:
            self._fixed = True  # from now on there is a plan for each of them
            self._forms.clear()
        else:
            form.reason = recorder.reasons[0] if recorder.reasons else otherwise

    def _plan(self, form: Form, recorder: ValueRecorder, result: Any, given: Numbers) -> None:
        try:
            signature = *recorder.signature(), recorder.told_of(result)
            for its, strangers in form.recorded:
                if its == signature:
                    if {*map(id, strangers)} & {*map(id, recorder.strangers)}:
                        raise Unplannable("a Value takes part that the step has from where nobody sees it")
                    form.plans.append(ScalarPlan(recorder, result, given.values))
                    del form.recorded[:]
                    return
        except Unplannable as error:
            form.reason = str(error)
            return
        except Exception as error:  # the step itself has run: its caller has what it asked for
            form.reason = f"no plan could be made, which is a defect of tinygrad_lm: {error!r}"
            return
        form.recorded.append((signature, recorder.strangers))
        if len(form.recorded) > WAYS or len(form.plans) >= WAYS:
            form.reason = "no two calls do the same" if not form.plans else f"it goes more than {WAYS} ways"


def may_be_of_values(step: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    """Whether a step may be one over ``Value``s: it sees no tensor, and its arguments are such."""
    try:
        Numbers(args, False)
    except Unfit:
        return False
    return not Reached(step).tensors


def _titled(x: Any) -> str:
    return f"= {x!r:.40}" if isinstance(x, (str, bool, bytes, type(None))) else type(x).__name__


def _apart(values: list[Value], reached: Reached) -> bool:
    """Whether values are leaves, each another one, and none that the step sees anyway."""
    own = {*map(id, values)}
    return (
        len(own) == len(values)
        and not own & {*map(id, reached.values)}
        and not any(v.operation is not None for v in values)
    )


def _put_back(x: Any, one: Any) -> bool:
    """Change a list as what was given in its place was changed, and whether that was so."""
    if type(x) not in (list, tuple):
        return False
    if len(x) == len(one) and all(_stands_for(b, a) for a, b in zip(x, one, strict=True)):
        changed = [_put_back(a, b) for a, b in zip(x, one, strict=True)]
        return True in changed
    x[:] = [_plainly(b) for b in one]
    return True


def _stands_for(one: Any, x: Any) -> bool:
    return one is x or type(one) is type(x) in (list, tuple) or (type(one) is Given and one.number is x)


def _plainly(x: Any) -> Any:
    """What a recorded step returned, with plain numbers."""
    kind = cast("Any", type(x))
    if kind is tuple or kind is list:
        return _of(kind, [_plainly(one) for one in x])
    if kind is dict:
        return {key: _plainly(one) for key, one in x.items()}
    return plain(x) if kind is Given else x


def _of(kind: Any, parts: list[Any]) -> Any:
    return kind(parts)
