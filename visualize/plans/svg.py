"""The picture of a plan: calls from top to bottom, memory from left to right, a bar for each array."""

from __future__ import annotations

from collections.abc import Sequence

from visualize.formats.labels import clean
from visualize.formats.shapes import FONT, line, tooltip
from visualize.formats.themes import Paint, Theme
from visualize.graph.data import Kind
from visualize.layout.text_width import text_width
from visualize.plans.data import ARRAY_KINDS, ArrayKind, Buffer, PlanArray, PlanCall, PlanData, Row

SIZE = 10.0
SMALL = 9.0
MARGIN = 14.0
ROW = 14.0
"""The height of a call that is written."""
TALL = 1300.0
"""Plans of many calls are drawn about so high: then only the calls are written that have most to do."""
PART, TITLE, CALL, WORK, MEMORY = 20.0, 200.0, 226.0, 104.0, 600.0
"""The widths of the columns."""
LEFT = PART + TITLE + CALL + WORK
"""Where the memory begins."""
NAMED = 6
"""Of so many calls, of those that have most to do, the numbers are written."""

KINDS: dict[ArrayKind, Kind] = {
    "forward": "operation",
    "backward": "loss",
    "input": "input",
    "parameter": "parameter",
    "moment": "group",
    "constant": "constant",
}
"""By the colours of which kind of node each kind of array is drawn."""

BORDERS: dict[ArrayKind, str] = {
    "forward": 'rx="4"',
    "backward": 'stroke-width="1.6"',
    "input": "",
    "parameter": 'stroke-width="2.2"',
    "moment": 'rx="4" stroke-dasharray="7 2"',
    "constant": 'stroke-dasharray="4 3"',
}
"""What tells the kinds apart without colour."""


def plan_svg(data: PlanData, theme: Theme, legend: bool = True) -> str:
    """A plan as an SVG picture, ready for a page."""
    drawing = _Drawing(data, theme)
    body = [*drawing.parts(), *drawing.calls(), *drawing.memory(), *drawing.kept()]
    body += [*(drawing.legend() if legend else ()), *drawing.caption()]
    return _whole(body, LEFT + MEMORY, drawing.bottom, data, theme)


def _whole(body: Sequence[str], width: float, height: float, data: PlanData, theme: Theme) -> str:
    wide, high = width + 2 * MARGIN, height + 2 * MARGIN
    box = f'x="{-MARGIN:g}" y="{-MARGIN:g}" width="{wide:.1f}" height="{high:.1f}"'
    inside = "\n".join(body)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="plan" role="img" aria-label="plan: {data.caption}" '
        f'viewBox="{-MARGIN:g} {-MARGIN:g} {wide:.1f} {high:.1f}" width="{wide:.0f}" height="{high:.0f}" '
        f'style="--wide:{wide:.0f}px;max-width:100%;height:auto" font-family="{FONT}">\n'
        f'<rect {box} fill="{theme.background}"/>\n{inside}\n</svg>\n'
    )


class _Drawing:
    """The parts of one picture, from top to bottom."""

    def __init__(self, data: PlanData, theme: Theme) -> None:
        self._data, self._theme = data, theme
        self._row = min(ROW, max(1.5, TALL / max(1, len(data.calls))))
        self._top = 30.0
        self.bottom = self._top + self._row * len(data.calls)
        self._scale = MEMORY / max(1, data.shared)
        self._most = max((call.numbers for call in data.calls), default=1) or 1

    def _y(self, call: int) -> float:
        return self._top + self._row * call

    def parts(self) -> list[str]:
        """What is forward, backward and update, and the heads of the columns."""
        theme, found = self._theme, list[str]()
        calls, width = self._data.calls, LEFT + MEMORY
        begins = [i for i, call in enumerate(calls) if not i or call.part != calls[i - 1].part]
        for n, (start, end) in enumerate(zip(begins, [*begins[1:], len(calls)], strict=True)):
            y, high, name = self._y(start), self._row * (end - start), calls[start].part
            fill = theme.frame if n % 2 == 0 else theme.background
            found.append(f'<rect x="0" y="{y:.1f}" width="{width:g}" height="{high:.1f}" fill="{fill}"/>')
            found.append(f'<path d="M0,{y:.1f}H{width:g}" stroke="{theme.faint}"/>')
            if high > text_width(name, SIZE + 1):
                found.append(_turned(name, 9, y + high / 2, theme.ink, SIZE + 1))
            else:
                found.append(line(name, 3, y + max(high / 2 + 3.5, SIZE), theme.ink, SIZE, "start"))
        heads = (
            (PART + 4, "operation"),
            (PART + TITLE, "call"),
            (PART + TITLE + CALL, "reads and writes"),
            (LEFT + 2, f"shared memory, {self._data.shared:,} bytes: each array in its place while it is needed"),
        )
        found += [line(text, x, self._top - 9, theme.faint, SIZE, "start") for x, text in heads]
        return found

    def calls(self) -> list[str]:
        """A line for each call, written where there is room."""
        found, theme, calls = list[str](), self._theme, self._data.calls
        written = self._written([call.numbers for call in calls])
        most = sorted(range(len(calls)), key=lambda i: -calls[i].numbers)[:NAMED]
        titles = {i for i, call in enumerate(calls) if not i or call.title != calls[i - 1].title}
        last = -ROW
        for i, call in enumerate(calls):
            y = self._y(i)
            low = i == len(calls) - 1  # below the line, where calls are closer than their texts are high
            base, parts = y + max(self._row / 2 + 3.5, SIZE if low else 0), list[str]()
            if i in titles and call.title and y - last >= SIZE + 1:
                last = y
                parts.append(line(_fitting(call.title, TITLE - 6), PART + 4, base, theme.faint, SIZE, "start"))
            if i in written:
                parts.append(line(_fitting(call.text, CALL - 18), PART + TITLE, base, theme.ink, SIZE, "start"))
            parts.append(self._work(call, y, i in most and i in written))
            found.append(f'<g class="call"><title>{tooltip(_call_words(i, call))}</title>{"".join(parts)}</g>')
        return found

    def _written(self, numbers: Sequence[int]) -> set[int]:
        """The calls that are written: those with most to do first, as far as there is room."""
        if self._row >= SIZE + 1:
            return set(range(len(numbers)))
        apart = int((SIZE + 2) / self._row) + 1
        found: set[int] = set()
        for i in sorted(range(len(numbers)), key=lambda i: -numbers[i]):
            if not any(j in found for j in range(i - apart + 1, i + apart)):
                found.add(i)
        return found

    def _work(self, call: PlanCall, y: float, told: bool) -> str:
        """How much a call reads and writes, and of which kind of array what it writes is."""
        theme, x = self._theme, PART + TITLE + CALL
        wide = max(0.8, (WORK - 44) * call.numbers / self._most)
        high = max(0.8, self._row - 6 if self._row > 8 else self._row * 0.8)
        bar = f'<rect x="{x:g}" y="{y + (self._row - high) / 2:.1f}" width="{wide:.1f}" height="{high:.1f}"'
        found = [f'{bar} fill="{theme.edge}"/>']
        if call.kind is not None and self._row > 8:
            paint = self._paint(call.kind)
            found.append(
                f'<rect x="{x - 14:g}" y="{y + 3:.1f}" width="8" height="8" fill="{paint.fill}" '
                f'stroke="{paint.stroke}" {BORDERS[call.kind].partition(" stroke-dash")[0]}/>'
            )
        if told:
            found.append(line(f"{call.numbers:,}", x + wide + 4, y + self._row / 2 + 3.5, theme.ink, SMALL, "start"))
        return "".join(found)

    def _paint(self, kind: ArrayKind) -> Paint:
        return self._theme.paints[KINDS[kind]]

    def memory(self) -> list[str]:
        """A bar for each array, as long as it is needed; small ones last, so that they are seen."""
        frame = f'x="{LEFT:g}" y="{self._top:g}" width="{MEMORY:g}" height="{self.bottom - self._top:.1f}"'
        found = [f'<rect {frame} fill="none" stroke="{self._theme.faint}"/>']
        for buffer in sorted(self._data.buffers, key=lambda buffer: -buffer.size):
            x, wide = LEFT + self._scale * buffer.start, max(2.0, self._scale * buffer.size)
            y, high = self._y(buffer.first) + 0.5, self._row * (buffer.last - buffer.first + 1) - 1
            found.append(self._box(buffer, x, y, wide, high, self._buffer_words(buffer)))
        return found

    def _box(self, array: PlanArray, x: float, y: float, wide: float, high: float, words: str) -> str:
        paint = self._paint(array.kind)
        border = BORDERS[array.kind] if min(wide, high) > 5 else 'stroke-width="0.6"'
        box = (
            f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}" fill="{paint.fill}" '
            f'stroke="{paint.stroke}" {border}/>'
        )
        texts = _label(array, x, y, wide, high, paint.text)
        return f'<g class="array {array.kind}"><title>{tooltip(words)}</title>{box}{texts}</g>'

    def _buffer_words(self, buffer: Buffer) -> str:
        calls = self._data.calls
        first, last = calls[buffer.first].text, calls[buffer.last].text
        return (
            f"{_array_words(buffer)}\nbytes {buffer.start:,} to {buffer.start + buffer.size:,}\n"
            f"from call {buffer.first + 1}: {first}\nto call {buffer.last + 1}: {last}"
        )

    def kept(self) -> list[str]:
        """What is kept from step to step, below the memory, on its scale where that is possible."""
        rows, theme, top = self._data.kept, self._theme, self.bottom
        if not rows:
            return []
        room = MEMORY - 120
        scale = min(self._scale, room / max(row.size for row in rows))
        note = "" if scale == self._scale else f", drawn {scale / self._scale:.2g} times as wide as the memory above"
        found = [line(f"kept from step to step{note}", LEFT + 2, top + 22, theme.faint, SIZE, "start")]
        y = top + 29
        for row in rows:
            words = (
                f"{row.title}, one vector of {row.size:,} bytes" if row.joined else f"{row.title}, {row.size:,} bytes"
            )
            found.append(line(words, LEFT - 8, y + 14, theme.ink, SIZE, "end"))
            found += self._kept_row(row, y, scale)
            y += 24
        self.bottom = y
        return found

    def _kept_row(self, row: Row, y: float, scale: float) -> list[str]:
        found, x, unsaid = list[str](), LEFT, list[str]()
        for array in row.arrays:
            wide = max(3.0, scale * array.size)
            found.append(self._box(array, x, y, wide, 20, f"{row.title}: {_array_words(array)}"))
            if not _label(array, x, y, wide, 20, ""):
                unsaid.append(array.name if row.joined else f"{array.name} {_shape(array)}".strip())
            x += wide + (0 if row.joined else 3)
        text = _fitting(", ".join(unsaid), LEFT + MEMORY - x - 8, SMALL)
        if len(text) > 3:
            found.append(line(text, x + 7, y + 13.5, self._theme.faint, SMALL, "start"))
        return found

    def legend(self) -> list[str]:
        """The kinds of arrays that occur."""
        data, found, x, y = self._data, list[str](), LEFT, self.bottom + 12
        arrays: list[PlanArray] = [*data.buffers, *(array for row in data.kept for array in row.arrays)]
        present = {array.kind for array in arrays}
        for kind, words in ARRAY_KINDS.items():
            if kind in present:
                paint, wide = self._paint(kind), text_width(words, SMALL) + 10
                found.append(
                    f'<rect x="{x:.1f}" y="{y:.1f}" width="{wide:.1f}" height="18" fill="{paint.fill}" '
                    f'stroke="{paint.stroke}" {BORDERS[kind]}/>{line(words, x + wide / 2, y + 12, paint.text, SMALL)}'
                )
                x += wide + 8
        self.bottom = y + 20
        return [f'<g class="legend">{"".join(found)}</g>']

    def caption(self) -> list[str]:
        """The picture in a sentence."""
        self.bottom += 18
        return [line(self._data.caption, PART + 4, self.bottom - 2, self._theme.faint, SIZE + 1, "start")]


def _label(array: PlanArray, x: float, y: float, wide: float, high: float, colour: str) -> str:
    """What a bar holds, where there is room: lying or upright."""
    name, shape = clean(array.name), _shape(array)
    middle, centre = x + wide / 2, y + high / 2
    both = f"{name}  {shape}".strip()
    if shape and high >= 24 and text_width(name, SIZE) + 4 <= wide and text_width(shape, SMALL) + 4 <= wide:
        upper = line(name, middle, centre - 2, colour, SIZE)
        return upper + line(shape, middle, centre + 9, colour, SMALL)
    for text in (both, name):
        if text_width(text, SIZE) + 4 <= wide and high >= 12:
            return line(text, middle, centre + 3.5, colour, SIZE)
        if text_width(text, SIZE) + 4 <= high and wide >= 12:
            return _turned(text, middle, centre, colour, SIZE)
    return ""


def _turned(text: str, x: float, y: float, colour: str, size: float) -> str:
    """A line of text that runs upwards."""
    words = line(text, 0, size * 0.35, colour, size)
    return f'<g transform="translate({x:.1f},{y:.1f}) rotate(-90)">{words}</g>'


def _fitting(text: str, room: float, size: float = SIZE) -> str:
    """A text, cut where it is too wide."""
    if text_width(text, size) <= room:
        return text
    while text and text_width(text + "…", size) > room:
        text = text[:-1]
    return f"{text}…"


def _shape(array: PlanArray) -> str:
    return "×".join(map(str, array.shape))


def _array_words(array: PlanArray) -> str:
    return f"{array.name}: {_shape(array) or 'one number'} of {array.dtype}, {array.size:,} bytes"


def _call_words(number: int, call: PlanCall) -> str:
    about = f"{call.part}, {call.title}" if call.title else call.part
    return f"call {number + 1}: {call.text}\n{about}\n{call.numbers:,} numbers read and written"
