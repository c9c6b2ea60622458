"""The graph as plain data: taken from an engine's nodes, described in numbers and formulas, and made small enough.

``extract`` makes it, ``data`` is what it is made of, and ``simplify`` (by ``contract`` and ``folding``) reduces it.
Nothing here knows how a picture looks.
"""
