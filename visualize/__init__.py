"""Pictures of computation graphs, and the backward pass step by step."""

from visualize.backward.frames import BackwardSteps, Contribution, Frame, backward_steps
from visualize.backward.stepper import stepper
from visualize.drawing import draw
from visualize.formats.doctor import doctor
from visualize.formats.engines import DrawingError
from visualize.formats.view import GraphView
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode
from visualize.graph.extract import graph_of
from visualize.graph.source_lines import tracing

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
