"""What a graph is written as: SVG, DOT, Mermaid, HTML, JSON, a table for a terminal, and what Graphviz makes of DOT."""
