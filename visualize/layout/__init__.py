"""The layout that is built in: where the boxes, frames and edges of a graph go, given their sizes.

``layered`` places the items of one flat graph; ``nested`` does so for each frame, from the inside out.
"""
