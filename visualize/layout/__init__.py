"""The layout that is built in: where the boxes, frames, edges and texts of a graph go, given their sizes.

``ranks`` says how far along the flow each node is, ``rows`` puts nodes, texts and passing edges in rows, and ``order``
sorts the rows. ``straight``, ``separate``, ``titles`` and ``across`` find the places across the flow, ``along`` those
along it, and ``layered`` puts the picture together.
"""
