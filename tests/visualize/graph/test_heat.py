"""Tests of arrays as small pictures: their cells, their sizes, and that they stand in their boxes."""

import struct
import zlib
from base64 import b64decode

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import every_engine, net_loss, read_svg, tensor
from tinygrad_lm import Value
from visualize.formats.heat import HEIGHT, WIDTH, png, size_of
from visualize.graph.heat import COLUMNS, ROWS, cells_of


@pytest.mark.parametrize(
    ("array", "cells"),
    [
        (np.array([[1.0, -2.0], [0.0, 2.0]]), ((4, -8), (0, 8))),
        (np.array([True, False]), ((8, 0),)),
        (np.array([3, 0, -3]), ((8, 0, -8),)),
        (np.zeros((2, 2)), ((0, 0), (0, 0))),
        (np.array([1.0, np.nan, np.inf, -np.inf]), ((8, 0, 8, -8),)),
        (np.array([1e-300, -1e-300]), ((8, -8),)),
        (np.array([3e38, -3e38], np.float32), ((8, -8),)),
        (np.array(1.0), ()),
        (np.array([1.0]), ()),
        (np.zeros((0, 3)), ()),
    ],
)
def test_cells(array, cells):
    assert cells_of(array) == cells


@pytest.mark.parametrize("shape", [(1000,), (40, 100), (3, 5, 7), (200, 2)])
def test_large_arrays_are_averaged(shape):
    cells = cells_of(np.random.default_rng(0).normal(size=shape))
    assert len(cells) <= ROWS and len(cells[0]) <= COLUMNS
    assert max(abs(cell) for row in cells for cell in row) == 8
    width, height = size_of(cells)
    assert width <= WIDTH and height <= max(HEIGHT, 5)


def test_averages_are_those_of_numpy():
    array = np.random.default_rng(0).normal(size=(32, 96))
    blocks = array.reshape(16, 2, 48, 2).mean(axis=(1, 3))
    assert cells_of(array) == tuple(map(tuple, np.rint(blocks / np.abs(blocks).max() * 8).astype(int).tolist()))
    # 50 numbers in 48 blocks: two are of two numbers, and no larger for that.
    assert cells_of(np.ones(50)) == ((8,) * 48,)


def test_the_png_holds_the_cells_in_the_themes_colours():
    theme = visualize.THEMES["light"]
    data = b64decode(png(((8, 0), (-8, 4)), theme))
    assert data.startswith(b"\x89PNG") and struct.unpack(">II", data[16:24]) == (2, 2)
    chunks, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        chunks[kind] = body
        at += 12 + length
    pixels = zlib.decompress(chunks[b"IDAT"])
    colours = [chunks[b"PLTE"][3 * i : 3 * i + 3].hex() for i in (pixels[1], pixels[2], pixels[4], pixels[5])]
    assert colours[:3] == [theme.gradient[1:], theme.background[1:], theme.paints["input"].stroke[1:]]
    assert colours[3] not in colours[:3]


@every_engine
def test_they_stand_in_the_boxes_of_arrays(engine):
    net, loss = net_loss()
    view = visualize.draw(loss, names=net, show=("label", "heat"), engine=engine)
    svg = view.svg()
    arrays = [node for node in view.graph.nodes if node.shape]
    assert svg.count("<image ") == len(arrays) == sum(bool(node.cells) for node in arrays)
    for group in read_svg(svg).iter("{http://www.w3.org/2000/svg}g"):
        images = [part for part in group if part.tag.endswith("image")]
        if images:
            assert images[0].get("href").startswith("data:image/png;base64,")
    assert "\u2591" not in svg and "\u2591" not in view.dot and "\u2591" not in view.text()


@every_engine
def test_a_label_of_what_marks_their_room_is_a_label(engine):
    assert "\u2591\u2591" in visualize.draw(Value(1.0, label="\u2591\u2591") * 2, engine=engine).svg()


def test_only_where_they_are_asked_for():
    x = tensor(3, 3, requires_grad=True, label="x")
    assert "<image" not in visualize.draw((x * 2).sum(), engine="builtin").svg()
