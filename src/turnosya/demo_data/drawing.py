"""Pictures of the town, drawn by the program: a street with the shop, its sign, its inside, its tools."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import Random

from PIL import Image, ImageDraw, ImageFont

Colour = tuple[int, int, int]
Box = tuple[float, float, float, float]
# By mark: the sign that stands for it, and how far above the line, as a part of the size.
_MARKS: Mapping[str, tuple[str, float]] = {"\u0301": ("'", 0.74), "\u0303": ("~", 0.86)}
# Drawn twice as large and made smaller, so that no edge is a staircase.
_FINER = 2
_WHITE: Colour = (255, 255, 255)
_INK: Colour = (41, 37, 36)
_SKIES: tuple[Colour, ...] = ((186, 230, 253), (254, 215, 170), (221, 214, 254), (191, 219, 254))
_WALLS: tuple[Colour, ...] = (
    (253, 230, 138), (254, 202, 202), (217, 249, 157), (245, 208, 254), (226, 232, 240),
)  # fmt: skip
_DEEP: tuple[Colour, ...] = (
    (22, 101, 52), (159, 18, 57), (30, 64, 175), (154, 52, 18), (91, 33, 182), (15, 118, 110),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Look:
    """How one business looks, the same in all of its pictures."""

    name: str
    category: str
    sky: Colour
    wall: Colour
    deep: Colour


def look_of(name: str, category: str, dice: Random) -> Look:
    """Colours by the dice of the business."""
    return Look(name, category, dice.choice(_SKIES), dice.choice(_WALLS), dice.choice(_DEEP))


def profile_image(look: Look) -> bytes:
    """Its initials on its colour, as on a stamp."""
    canvas = _Canvas(400, 400, look.deep)
    canvas.round((40, 40, 360, 360), look.wall)
    canvas.round((54, 54, 346, 346), look.deep)
    initials = "".join(word[0] for word in look.name.split() if word[0].isupper())[:2] or look.name[:1]
    canvas.words((70, 130, 330, 270), initials, _WHITE)
    return canvas.jpeg()


def portrait_image(look: Look) -> bytes:
    """The street with the shop in the middle."""
    canvas = _Canvas(1280, 480, look.sky)
    canvas.round((1050, 40, 1130, 120), (253, 224, 71))
    for place, height in enumerate((170, 230, 140, 260, 190, 150, 240)):
        left = place * 190 - 30
        canvas.box((left, 420 - height, left + 170, 420), _mixed(look.sky, _INK, 0.12 + 0.03 * (place % 3)))
    canvas.box((0, 420, 1280, 480), (120, 113, 108))
    _shop(canvas, look, (340, 90, 940, 440))
    return canvas.jpeg()


def front(look: Look) -> bytes:
    """The shop from the other side of the street."""
    canvas = _Canvas(960, 720, look.sky)
    canvas.box((0, 620, 960, 720), (120, 113, 108))
    _shop(canvas, look, (60, 120, 900, 650))
    return canvas.jpeg()


def inside(look: Look) -> bytes:
    """A room with what the trade works with on its wall."""
    canvas = _Canvas(960, 720, look.wall)
    canvas.box((0, 520, 960, 720), _mixed(look.deep, _WHITE, 0.35))
    for place in range(3):
        left = 90 + place * 280
        canvas.box((left, 120, left + 220, 400), _WHITE)
        canvas.box((left + 12, 132, left + 208, 388), _mixed(look.sky, _WHITE, 0.5))
        _tool(canvas, look.category, (left + 40, 170, left + 180, 350), look.deep)
        canvas.box((left + 50, 470, left + 170, 500), look.deep)
        canvas.box((left + 60, 500, left + 76, 600), _INK)
        canvas.box((left + 144, 500, left + 160, 600), _INK)
    return canvas.jpeg()


class _Canvas:
    """A drawing in pixels of what comes out."""

    def __init__(self, width: int, height: int, colour: Colour) -> None:
        self._size = width, height
        self._image = Image.new("RGB", (width * _FINER, height * _FINER), colour)
        self._draw = ImageDraw.Draw(self._image)

    def box(self, box: Box, colour: Colour) -> None:
        self._draw.rectangle(_larger(box), fill=colour)

    def round(self, box: Box, colour: Colour) -> None:
        self._draw.ellipse(_larger(box), fill=colour)

    def ring(self, box: Box, colour: Colour, width: int) -> None:
        self._draw.ellipse(_larger(box), outline=colour, width=width * _FINER)

    def line(self, box: Box, colour: Colour, width: int) -> None:
        self._draw.line(_larger(box), fill=colour, width=width * _FINER)

    def words(self, box: Box, text: str, colour: Colour) -> None:
        """A text in capitals in the middle of a box, as large as it fits; marks stand above their letters."""
        # The font that comes with the library has no letters with marks.
        signs = unicodedata.normalize("NFD", text.upper())
        plain = "".join(one for one in signs if not unicodedata.combining(one))
        left, top, right, bottom = _larger(box)
        size = bottom - top
        wide = self._draw.textlength(plain, font=ImageFont.load_default(size))
        size = min(size, size * (right - left) / wide)
        font = ImageFont.load_default(size)
        begin = (left + right - self._draw.textlength(plain, font=font)) / 2
        line = (top + bottom + size * 0.7) / 2
        self._draw.text((begin, line), plain, fill=colour, font=font, anchor="ls")
        written = ""
        for one in signs:
            if one in _MARKS:
                letter = self._draw.textlength(written[-1], font=font)
                middle = begin + self._draw.textlength(written, font=font) - letter / 2
                sign, above = _MARKS[one]
                self._draw.text((middle, line - size * above), sign, colour, font, anchor="mm")
            else:
                written += one

    def jpeg(self) -> bytes:
        out = io.BytesIO()
        self._image.resize(self._size, Image.Resampling.LANCZOS).save(out, "JPEG", quality=88)
        return out.getvalue()


def _larger(box: Box) -> Box:
    left, top, right, bottom = (value * _FINER for value in box)
    return left, top, right, bottom


def _mixed(one: Colour, other: Colour, part: float) -> Colour:
    """So much of the other colour in the one."""
    red, green, blue = (round(a + (b - a) * part) for a, b in zip(one, other, strict=True))
    return red, green, blue


def _shop(canvas: _Canvas, look: Look, box: Box) -> None:
    """Wall, sign, awning, door and window."""
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    canvas.box(box, look.wall)
    canvas.box((left, top, right, top + height * 0.22), look.deep)
    canvas.words((left + 24, top + height * 0.05, right - 24, top + height * 0.17), look.name, _WHITE)
    stripes = 12
    for place in range(stripes):
        begin = left + width * place / stripes
        colour = _WHITE if place % 2 else look.deep
        canvas.box((begin, top + height * 0.24, begin + width / stripes, top + height * 0.36), colour)
        low = top + height * 0.36
        canvas.round((begin, low - height * 0.04, begin + width / stripes, low + height * 0.04), colour)
    window = (left + width * 0.06, top + height * 0.46, left + width * 0.58, bottom - height * 0.14)
    canvas.box(window, _INK)
    glass = tuple(value + part for value, part in zip(window, (8, 8, -8, -8), strict=True))
    canvas.box((glass[0], glass[1], glass[2], glass[3]), _mixed(look.sky, _WHITE, 0.4))
    middle, size = (window[0] + window[2]) / 2, (window[3] - window[1]) * 0.38
    centre = (window[1] + window[3]) / 2
    _tool(canvas, look.category, (middle - size, centre - size, middle + size, centre + size), look.deep)
    door = (left + width * 0.68, top + height * 0.46, left + width * 0.9, bottom)
    canvas.box(door, look.deep)
    canvas.box(
        (door[0] + 14, door[1] + 14, door[2] - 14, door[1] + height * 0.24), _mixed(look.sky, _WHITE, 0.4)
    )
    canvas.round((door[2] - 30, bottom - height * 0.2, door[2] - 16, bottom - height * 0.2 + 14), _WHITE)


def _scissors(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    size = (right - left) * 0.36
    canvas.line((left + size / 2, bottom - size, right - size * 0.3, top), colour, 10)
    canvas.line((right - size / 2, bottom - size, left + size * 0.3, top), colour, 10)
    canvas.ring((left, bottom - size, left + size, bottom), colour, 9)
    canvas.ring((right - size, bottom - size, right, bottom), colour, 9)


def _tooth(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    canvas.round((left, top, left + width * 0.58, top + height * 0.62), colour)
    canvas.round((right - width * 0.58, top, right, top + height * 0.62), colour)
    canvas.round((left + width * 0.08, top + height * 0.2, left + width * 0.42, bottom), colour)
    canvas.round((right - width * 0.42, top + height * 0.2, right - width * 0.08, bottom), colour)


def _weights(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    middle = (top + bottom) / 2
    canvas.box((left, middle - 7, right, middle + 7), colour)
    for begin, tall in ((0.06, 0.5), (0.18, 0.8), (0.72, 0.8), (0.84, 0.5)):
        x = left + width * begin
        canvas.box((x, middle - height * tall / 2, x + width * 0.1, middle + height * tall / 2), colour)


def _spanner(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    size = (right - left) * 0.4
    canvas.line((left + size / 2, bottom - size / 2, right - size / 2, top + size / 2), colour, 22)
    canvas.ring((right - size, top, right, top + size), colour, 16)
    canvas.ring((left, bottom - size, left + size, bottom), colour, 16)


def _paw(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    canvas.round((left + width * 0.2, top + height * 0.45, right - width * 0.2, bottom), colour)
    for x, y in ((0.0, 0.28), (0.24, 0.04), (0.54, 0.04), (0.78, 0.28)):
        canvas.round(
            (left + width * x, top + height * y, left + width * (x + 0.22), top + height * (y + 0.3)), colour
        )


def _bottle(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    canvas.box((left + width * 0.4, top, right - width * 0.4, top + height * 0.45), _INK)
    canvas.box((left + width * 0.22, top + height * 0.45, right - width * 0.22, bottom), colour)


def _cross(canvas: _Canvas, box: Box, colour: Colour) -> None:
    left, top, right, bottom = box
    width, height = right - left, bottom - top
    canvas.box((left + width * 0.36, top, right - width * 0.36, bottom), colour)
    canvas.box((left, top + height * 0.36, right, bottom - height * 0.36), colour)


_TOOLS: Mapping[str, Callable[[_Canvas, Box, Colour], None]] = {
    "barbershop": _scissors,
    "hairdresser": _scissors,
    "dentist": _tooth,
    "gym": _weights,
    "workshop": _spanner,
    "veterinary": _paw,
    "nails": _bottle,
    "physiotherapy": _cross,
}


def _tool(canvas: _Canvas, category: str, box: Box, colour: Colour) -> None:
    _TOOLS.get(category, _cross)(canvas, box, colour)
