"""What a graph is written as: SVG, DOT, Mermaid, HTML, JSON, a table for a terminal, and what Graphviz makes of DOT.

A new format is a file here with a function of a ``Graph`` and a ``Style`` that gives its text, and its line in
``view.FORMATS``. A new theme is an entry of ``themes.THEMES``.
"""
