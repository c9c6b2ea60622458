"""Pictures of computation graphs, and the backward pass step by step."""

from visualize.doctor import doctor
from visualize.drawing import draw
from visualize.engines import DrawingError
from visualize.graph import Cluster, Graph, GraphEdge, GraphNode
from visualize.lines import tracing
from visualize.stepping import stepper
from visualize.steps import BackwardSteps, Contribution, Frame, backward_steps
from visualize.trace import graph_of
from visualize.view import GraphView

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
    "backward_steps",
    "doctor",
    "draw",
    "graph_of",
    "stepper",
    "tracing",
]
