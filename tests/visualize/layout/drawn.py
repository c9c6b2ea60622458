"""What the tests of the layout share: random graphs, and the paths of edges as a browser draws them."""

import re
from itertools import pairwise

from hypothesis import strategies as st

from visualize.formats.svg import curve
from visualize.graph.data import Cluster, Graph, GraphEdge, GraphNode
from visualize.layout.layered import lay_out


@st.composite
def graphs(draw, circles=True):
    """Any graph with nested clusters, also one with circles and with several edges between two nodes."""
    clusters = []
    for i in range(draw(st.integers(0, 4))):
        parent = draw(st.sampled_from(["", *(cluster.id for cluster in clusters)]))
        clusters.append(Cluster(f"c{i}", "a", "B", i, parent))
    homes = st.sampled_from(["", *(cluster.id for cluster in clusters)])
    nodes = [GraphNode(f"v{i}", "operation", cluster=draw(homes)) for i in range(draw(st.integers(1, 14)))]
    numbers = st.integers(0, len(nodes) - 1)
    pairs = draw(st.lists(st.tuples(numbers, numbers), max_size=25))
    edges = tuple(GraphEdge(f"v{a}", f"v{b}") for a, b in pairs if a < b or (circles and a != b))
    used = {node.cluster for node in nodes}
    for cluster in reversed(clusters):
        if cluster.id in used:
            used.add(cluster.parent)
    return Graph(tuple(nodes), edges, tuple(c for c in clusters if c.id in used), ("v0",), len(nodes))


def graph_of(*edges, clusters=(), **homes):
    """A graph from pairs of names, in the order in which they are met, and the clusters of some nodes."""
    names = dict.fromkeys(name for edge in edges for name in edge)
    nodes = tuple(GraphNode(name, "operation", cluster=homes.get(name, "")) for name in names)
    return Graph(nodes, tuple(GraphEdge(a, b) for a, b in edges), tuple(clusters), (nodes[-1].id,), len(nodes))


def laid_out(graph, direction="LR", text=0.0, size=(40.0, 30.0)):
    """Lay out a graph whose nodes have one size, and whose edges have texts of one width."""
    texts = [(text, 11.0 if text else 0.0)] * len(graph.edges)
    titles = {cluster.id: 50.0 for cluster in graph.clusters}
    return lay_out(graph, dict.fromkeys((node.id for node in graph.nodes), size), texts, titles, direction)


def sampled(points, direction, steps=24):
    """Points along the path that is drawn for an edge."""
    path = curve(points, direction)
    here, found = None, []
    for command, numbers in re.findall(r"([MLC])([^MLC]+)", path):
        pairs = [tuple(map(float, pair.split(","))) for pair in numbers.split()]
        if command == "M":
            here = pairs[0]
            found.append(here)
            continue
        a, b, c, d = (here, *pairs) if command == "C" else (here, here, pairs[0], pairs[0])
        for i in range(1, steps + 1):
            t = i / steps
            u = 1 - t
            found.append(tuple(u**3 * a[k] + 3 * u * u * t * b[k] + 3 * u * t * t * c[k] + t**3 * d[k] for k in (0, 1)))
        here = d
    return found


def touches(box, path, slack=0.0):
    """Whether a path comes into a box; ``slack`` is how far it may."""
    width, height = box.width / 2 - slack, box.height / 2 - slack
    low, high = (box.x - width, box.y - height), (box.x + width, box.y + height)
    return any(_meets(a, b, low, high) for a, b in pairwise(path))


def _meets(a, b, low, high):
    """Whether a line from a to b and the inside of a rectangle have a point in common."""
    first, last = 0.0, 1.0
    for k in (0, 1):
        step = b[k] - a[k]
        if abs(step) < 1e-12:
            if not low[k] < a[k] < high[k]:
                return False
            continue
        one, other = sorted(((low[k] - a[k]) / step, (high[k] - a[k]) / step))
        first, last = max(first, one), min(last, other)
    return first < last


def apart(a, b):
    """Whether two boxes have no point inside both."""
    return abs(a.x - b.x) >= (a.width + b.width) / 2 - 0.01 or abs(a.y - b.y) >= (a.height + b.height) / 2 - 0.01


def within(inner, outer):
    """Whether a box is inside another."""
    return (
        abs(inner.x - outer.x) <= (outer.width - inner.width) / 2 + 0.01
        and abs(inner.y - outer.y) <= (outer.height - inner.height) / 2 + 0.01
    )
