"""Planted bugs in the graph: order, accumulation, aliasing, repeated passes, modes."""

import contextlib

import numpy as np

from tests.mutation.checks import Mutant
from tests.mutation.source import edited
from tinygrad_lm import Tensor, Value
from tinygrad_lm.autograd import (
    context,
    elementwise,
    gradients,
    graph,
    shaping,
    tensor,
    value,
    value_pass,
    value_products,
)
from tinygrad_lm.autograd.elementwise import Elementwise


def sweeping(patch, combine):
    """Replace the backward sweep by one with another way to combine contributions."""

    def sweep(order, gradients, *, create_graph=False, wanted=None, release=False):
        while order:
            node = order.pop()
            gradient = gradients.pop(node, None)
            if gradient is None:
                continue
            if node.operation is None or not release:
                yield node, gradient, False
            if node.operation is None:
                continue
            for parent, part in zip(node.parents, node._hand_on(gradient, create_graph, wanted), strict=True):
                if part is not None:
                    gradients[parent] = combine(gradients[parent], part) if parent in gradients else part
            if release:
                node._release()

    patch.setattr(graph, "sweep", sweep)


def assign(patch):
    sweeping(patch, lambda earlier, part: part)


def add_in_place(patch):
    def combine(earlier, part):
        if type(earlier) is np.ndarray and earlier.shape and earlier.flags.writeable:
            earlier += part
            return earlier
        return earlier + part

    sweeping(patch, combine)


def hand_out_shared_arrays(patch):
    def store(self, gradient, owned):
        self.grad = self.grad + gradient if self.is_leaf and self.grad is not None else gradient

    patch.setattr(Tensor, "_store", store)


def forget_duplicate_parents(patch):
    hand_on = Tensor._hand_on

    def once(self, gradient, create_graph, wanted):
        seen = set()
        parts = []
        for parent, part in zip(self.parents, hand_on(self, gradient, create_graph, wanted), strict=True):
            parts.append(None if parent in seen else part)
            seen.add(parent)
        return parts

    patch.setattr(Tensor, "_hand_on", once)


def breadth_first(patch):
    """Nodes in the order in which a breadth-first search meets them: not topological where paths differ in length."""

    def order(*roots, constants=False):
        found = [root for root in roots if root.requires_grad]
        for node in found:
            found += [p for p in dict.fromkeys(node.parents) if p.requires_grad and p not in set(found)]
        return found[::-1]

    def order_of_numbers(root, unreached):
        found = order(root)
        for node in found:
            node._total = unreached
        return found

    patch.setattr(graph, "topological_order", order)
    patch.setattr(value_pass, "_order", order_of_numbers)


def once_per_path(patch):
    """A recursion that walks every path: right numbers, exponential time, and a limit of depth."""

    def order(*roots, constants=False):
        found = []

        def visit(node):
            for parent in node.parents:
                if parent.requires_grad:
                    visit(parent)
            found.append(node)

        for root in roots:
            visit(root)
        return list(dict.fromkeys(found))

    patch.setattr(graph, "topological_order", order)


def accumulate_inner_nodes(patch):
    inner = "node.grad = total"
    edited(value_pass, "backward", inner, f"{inner} if node.grad is None else node.grad + total")(patch)


def overwrite_leaves(patch):
    def store(self, gradient, owned):
        self.grad = gradient.copy()

    patch.setattr(Tensor, "_store", store)


def ignore_exceptions_in_modes(patch):
    exit_ = context.GradMode.__exit__

    def leave(self, kind, error, trace):
        if kind is None:
            exit_(self, kind, error, trace)

    patch.setattr(context.GradMode, "__exit__", leave)


def ignore_versions(patch):
    hand_on = Tensor._hand_on

    def unchecked(self, gradient, create_graph, wanted):
        self._stamp = self._version + sum(parent._version for parent in self.parents)
        return hand_on(self, gradient, create_graph, wanted)

    patch.setattr(Tensor, "_hand_on", unchecked)


def ignore_release(patch):
    patch.setattr(Tensor, "_release", lambda self: None)
    patch.setattr(Value, "_release", lambda self: None)


def keep_a_cycle(patch):
    record, hand_on = Tensor._record, Tensor._hand_on

    def cyclic(operation, operands, attributes=graph.NOTHING):
        out = record(operation, operands, attributes)
        if out.parents:
            out.attributes = {**out.attributes, "unused": lambda: out}
        return out

    def plainly(self, *rest):
        """Without the attribute that closes the cycle, which stays on the node."""
        attributes = self.attributes
        self.attributes = {name: value for name, value in attributes.items() if name != "unused"}
        try:
            return hand_on(self, *rest)
        finally:
            self.attributes = attributes

    patch.setattr(Tensor, "_record", staticmethod(cyclic))
    patch.setattr(Tensor, "_hand_on", plainly)


def change_the_cotangent(patch):
    seed_of = tensor.seed_of

    def scaled(node, gradient, what):
        found = seed_of(node, gradient, what)
        if found is gradient:
            with contextlib.suppress(ValueError):
                found *= 1.0000001
        return found

    patch.setattr(tensor, "seed_of", scaled)


def accept_any_cotangent(patch):
    patch.setattr(
        tensor,
        "seed_of",
        lambda node, g, what: (
            np.ones_like(node.data) if g is None else np.broadcast_to(np.asarray(g), node.shape) * 1.0
        ),
    )


def record_under_no_grad(patch):
    patch.setattr(tensor, "recording", lambda: True)
    patch.setattr(value, "recording", lambda: True)


def drop_the_second_graph(patch):
    hand_on = Tensor._hand_on

    def detached(self, gradient, create_graph, wanted):
        parts = hand_on(self, gradient, create_graph, wanted)
        return [p.detach() if create_graph and isinstance(p, Tensor) and self.op == "tanh" else p for p in parts]

    patch.setattr(Tensor, "_hand_on", detached)


def formulas_on_constants(patch):
    vjp = Elementwise.vjp

    def constant(self, gradient, call):
        if isinstance(call.out, Tensor) and self.name == "mul":
            call.inputs = [x.detach() for x in call.inputs]
        return vjp(self, gradient, call)

    patch.setattr(Elementwise, "vjp", constant)


def share_the_slots(patch):
    class Free:
        def acquire(self, blocking):
            return True

        def release(self):
            pass

    patch.setattr(value_pass, "_slots", Free())


def first_of_several_outputs(patch):
    gradients_of = gradients.gradients_of
    patch.setattr(
        gradients,
        "gradients_of",
        lambda outputs, inputs, seeds, create_graph: gradients_of(
            outputs[:1], inputs, list(seeds)[:1], create_graph=create_graph
        ),
    )


def pass_inf_of_the_branch_not_chosen(patch):
    patch.setattr(elementwise, "annihilate", lambda pulled, gradient: pulled)


def share_views(patch):
    patch.setitem(shaping.reshape.vjps, 0, lambda g, out, x, shape: g.reshape(x.shape))
    patch.setattr(Tensor, "_store", lambda self, gradient, owned: setattr(self, "grad", gradient))


GRAPH_MUTANTS = (
    Mutant("a contribution replaces the earlier ones", assign, ("programs", "machine Tensor")),
    Mutant("a node used twice counts once", forget_duplicate_parents, ("programs",)),
    Mutant("no topological order", breadth_first, ("programs", "machine Value")),
    Mutant("gradients added in place into shared arrays", add_in_place, ("programs",)),
    Mutant("gradients handed out shared", hand_out_shared_arrays, ("row add",)),
    Mutant("views stored as gradients", share_views, ("row reshape",)),
    Mutant("one visit a path", once_per_path, ("test test_a_ladder_of_ten_thousand_diamonds",)),
    Mutant("inner nodes of Values accumulate", accumulate_inner_nodes, ("test test_backward_twice", "machine Value")),
    Mutant("a second backward pass overwrites", overwrite_leaves, ("twice tanh", "machine Tensor")),
    Mutant(
        "an exception leaves recording off",
        ignore_exceptions_in_modes,
        ("test test_it_is_restored_after_an_exception", "machine Tensor"),
    ),
    Mutant("changed data goes unnoticed", ignore_versions, ("test test_changed_data_is_noticed", "machine Tensor")),
    Mutant("a released graph runs again", ignore_release, ("test test_a_released_graph", "machine Value")),
    Mutant(
        "results stand in a reference cycle",
        keep_a_cycle,
        ("test test_graphs_are_freed_by_reference_counting_alone",),
    ),
    Mutant("the cotangent is changed in place", change_the_cotangent, ("row sub",)),
    Mutant(
        "a cotangent of the wrong shape broadcasts",
        accept_any_cotangent,
        ("test test_a_cotangent_is_needed_and_must_fit",),
    ),
    Mutant("passes over Values share their slots", share_the_slots, ("test test_a_pass_within_a_pass",)),
    Mutant(
        "rows of a product that were not reached count as reached",
        edited(value_products.Product, "hand_on", "reached.any(axis=1),", "reached.any(axis=1) | True,"),
        ("test test_chains_of_products_of_which_parts_are_used",),
    ),
    Mutant("no_grad records", record_under_no_grad, ("test test_nothing_is_recorded", "machine Value")),
    Mutant("tanh' is a constant to second order", drop_the_second_graph, ("second tanh",)),
    Mutant("mul's partners are constants to second order", formulas_on_constants, ("second mul",)),
    Mutant(
        "only the first of several outputs counts",
        first_of_several_outputs,
        ("test test_gradients_to_inner_nodes_and_to_several_outputs",),
    ),
    Mutant(
        "the branch not chosen leaks inf",
        pass_inf_of_the_branch_not_chosen,
        ("test test_where_shields_the_branch_not_chosen_to_second_order",),
    ),
)
