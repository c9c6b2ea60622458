"""Tests of the themes: readable, the user's own in every format and in the stepper, and never half a theme."""

import copy
import re
from dataclasses import fields

import numpy as np
import pytest

import visualize
from tests.helpers.graphs import Net, diamond, every_engine, net_loss, neuron, picture_in
from tinygrad_lm import Tensor
from visualize import THEMES, GraphView, Paint, Theme
from visualize.formats.themes import OUTLINES

COLOURS = [field.name for field in fields(Theme) if field.name not in ("name", "paints")]


def own(**changes):
    """A theme of which every colour is one that no other theme has."""
    number = iter(range(1, 100))
    colours = {name: f"#0{next(number):02}aBc" for name in COLOURS}
    paints = {kind: Paint(*(f"#0{next(number):02}aBc" for _ in range(3))) for kind in OUTLINES}
    return Theme(**{"name": "own", **colours, "paints": paints, **changes})


def colours_of(theme):
    paints = {getattr(paint, part) for paint in theme.paints.values() for part in ("fill", "stroke", "text")}
    return paints | {getattr(theme, name) for name in COLOURS}


def lowered(colours):
    return {colour.lower() for colour in colours}


def colours_in(text):
    return lowered(re.findall(r"#[0-9a-fA-F]{6}\b", text))


@every_engine
@pytest.mark.parametrize("theme", THEMES)
def test_every_theme_draws_on_its_own_background(engine, theme):
    assert THEMES[theme].background in visualize.draw(neuron(), engine=engine, theme=theme).svg()


def luminance(colour):
    """The relative luminance of the Web Content Accessibility Guidelines."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first, second):
    bright, dark = sorted((luminance(first), luminance(second)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


@pytest.mark.parametrize("theme", THEMES.values(), ids=lambda theme: theme.name)
def test_text_can_be_read_in_every_theme(theme):
    for paint in theme.paints.values():
        assert contrast(paint.text, paint.fill) >= 4.5
        assert contrast(theme.alert, paint.fill) >= 3
    for colour in (theme.ink, theme.faint, theme.gradient):
        assert contrast(colour, theme.background) >= 4.5
    assert contrast(theme.faint, theme.frame) >= 4.5


def picture(**options):
    """Every kind of node, a frame, a nan, and texts on edges."""
    net, loss = net_loss()
    x = Tensor([np.nan, 1.0], requires_grad=True, label="x")
    show = ("label", "data", "local")
    return visualize.draw([loss, x * 2.0], names=net, depth=2, show=show, **options)


class TestOnesOwn:
    @every_engine
    @pytest.mark.parametrize("suffix", [".svg", ".dot", ".gv", ".html", ".mmd", ".mermaid"])
    def test_in_every_format(self, tmp_path, engine, suffix):
        theme = own()
        path = picture(engine=engine, theme=theme).save(tmp_path / f"graph{suffix}")
        nodes_alone = suffix in (".mmd", ".mermaid")
        elsewhere = {getattr(theme, name) for name in (COLOURS if nodes_alone else ("active", "gradient"))}
        if suffix == ".html":
            elsewhere = set()  # the viewer uses the others
        module = theme.paints["module"]
        elsewhere |= {module.fill, module.stroke, module.text}
        text = path.read_text(encoding="utf-8")
        assert colours_in(text + picture_in(text)) == lowered(colours_of(theme) - elsewhere)

    @every_engine
    @pytest.mark.parametrize("suffix", [".svg", ".dot", ".mmd"])
    def test_of_an_architecture_too(self, tmp_path, engine, suffix):
        theme = own()
        view = visualize.draw(Net(), np.array([[0, 1]]), style="architecture", engine=engine, theme=theme)
        found = colours_in(view.save(tmp_path / f"graph{suffix}").read_text(encoding="utf-8"))
        module = theme.paints["module"]
        assert lowered({module.fill, module.stroke, module.text}) <= found <= lowered(colours_of(theme))

    @every_engine
    def test_in_png(self, engine):
        if engine == "builtin":
            pytest.skip("needs Graphviz")
        pictures = [picture(engine=engine, theme=theme).png() for theme in (own(), own(), "light")]
        assert pictures[0] == pictures[1] != pictures[2]

    def test_text_has_no_colours(self):
        for write in (GraphView.text, GraphView.json):
            assert write(picture(theme=own())) == write(picture())

    def test_in_the_stepper(self):
        theme = own()
        stepper = visualize.stepper(diamond, theme=theme, engine="builtin")
        for text in (stepper.html(), stepper.fragment(), visualize.draw(neuron(), theme=theme).html(stepper=True)):
            assert colours_in(text) >= lowered({getattr(theme, name) for name in COLOURS})
            assert f"--gradient:{theme.gradient}" in text
            assert not colours_in(text) & lowered(colours_of(THEMES["light"]))

    def test_made_of_another(self):
        light = THEMES["light"]
        red = Paint("#ff0000", "#800000", "#ffffff")
        theme = light.replace(name="red", background="#123456", paints={"loss": red})
        assert (theme.name, theme.background, theme.paints["loss"]) == ("red", "#123456", red)
        assert theme.replace(name="light", background=light.background, paints={"loss": light.paints["loss"]}) == light
        assert light.replace() == light == copy.deepcopy(light)
        assert light.background == "#ffffff" and light.paints["loss"] != red

    def test_a_theme_is_not_changed_from_outside(self):
        paints = dict(THEMES["light"].paints)
        theme = own(paints=paints)
        paints.clear()
        assert len(theme.paints) == len(OUTLINES)


class TestNoTheme:
    @pytest.mark.parametrize("draw", [visualize.draw, visualize.stepper])
    @pytest.mark.parametrize(
        ("theme", "error", "sentence"),
        [
            ("pink", ValueError, "theme must be one of 'light', .* or a visualize.Theme, not 'pink'"),
            (None, TypeError, "theme must be one of 'light', .* or a visualize.Theme, not NoneType"),
            ({"background": "#ffffff"}, TypeError, "not dict: {'background'"),
            (Theme, TypeError, "not type"),
        ],
    )
    def test_what_is_none(self, draw, theme, error, sentence):
        with pytest.raises(error, match=sentence):
            draw(neuron(), theme=theme)

    def test_one_that_lacks_a_kind(self):
        paints = {kind: paint for kind, paint in own().paints.items() if kind not in ("loss", "group")}
        with pytest.raises(
            ValueError, match=r"theme 'own' lacks a Paint for 'loss', 'group': .*THEMES\['light'\]\.replace"
        ):
            own(paints=paints)
        with pytest.raises(ValueError, match="lacks a Paint for 'loss'"):
            own().replace(paints={"loss": "#ff0000"})

    def test_one_that_lacks_colours(self):
        with pytest.raises(TypeError, match="'faint', 'edge'"):
            Theme("mine", "#ffffff", "#000000", paints=own().paints)

    def test_a_kind_that_nodes_do_not_have(self):
        with pytest.raises(
            ValueError, match="has a Paint for 'losss', but the kinds of nodes are 'data', 'input', 'parameter'"
        ):
            THEMES["light"].replace(paints={"losss": THEMES["light"].paints["loss"]})

    @pytest.mark.parametrize("colour", ["white", "#fff", "#ffffff ", "", None, 0xFFFFFF, '#ffffff" onload="x'])
    def test_what_is_no_colour(self, colour):
        with pytest.raises(ValueError, match=r"theme 'light': ink is .*a colour is written as '#rrggbb'"):
            THEMES["light"].replace(ink=colour)
        with pytest.raises(ValueError, match=r"the stroke of a Paint is .*a colour is written as '#rrggbb'"):
            Paint("#ffffff", colour, "#000000")

    def test_a_colour_that_themes_do_not_have(self):
        with pytest.raises(TypeError, match="a theme has no 'backgroud'; its colours are background, ink"):
            THEMES["light"].replace(backgroud="#000000")
