"""Pictures of computation graphs, and the backward pass step by step.

The way from an engine's nodes to a file leads through these rooms, each of which only knows those before it:

- ``graph``: the graph as plain data, extracted from the nodes, described, and made small enough to read;
- ``layout``: where the parts of a graph go, in the layout that is built in;
- ``formats``: what a picture is written as, the themes, and the engines that lay it out;
- ``backward``: the backward pass as data, and to step through;
- ``plans``: the plan of a replayed step, its calls and its memory.

``drawing`` is ``draw``, which puts them together. Pictures of anything but a computation graph or a plan go into a room
of their own, ``pictures``, a module for each: a function of what is shown and of a ``theme`` that returns a
``GraphView``, or an object with the same ``svg()``, ``html()``, ``text()`` and ``save(path)`` that needs no engine.
"""

from visualize.backward.frames import BackwardSteps, Contribution, Frame, backward_steps
from visualize.backward.stepper import stepper
from visualize.code import source
from visualize.drawing import draw
from visualize.formats.doctor import doctor
from visualize.formats.engines import DrawingError
from visualize.formats.themes import THEMES, Paint, Theme
from visualize.formats.view import GraphView
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode
from visualize.graph.describe import graph_of
from visualize.graph.source_lines import tracing
from visualize.plans.data import PlanData
from visualize.plans.view import PlanView

__all__ = [
    "BackwardSteps",
    "Cluster",
    "Contribution",
    "DrawingError",
    "Frame",
    "Graph",
    "GraphEdge",
    "GraphNode",
    "GraphView",
    "Paint",
    "PlanData",
    "PlanView",
    "THEMES",
    "Theme",
    "backward_steps",
    "doctor",
    "draw",
    "graph_of",
    "source",
    "stepper",
    "tracing",
]
