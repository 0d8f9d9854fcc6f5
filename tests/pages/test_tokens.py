"""Both themes are legible: contrast of the tokens that lie on each other, by WCAG 2.2."""

import re
from pathlib import Path

import pytest
from django.conf import settings

CSS = Path(settings.BASE_DIR) / "static" / "app" / "css"
PAIR = re.compile(r"--([\w-]+): light-dark\((#[0-9a-f]{3,6}), (#[0-9a-f]{3,6})\)")
TOKENS = {name: (light, dark) for name, light, dark in PAIR.findall((CSS / "tokens.css").read_text())}
SURFACES = ("page", "side", "surface", "raised", "sunken", "hover")
TONES = ("ok", "warn", "bad", "info", "held")
TEXT = [(ink, surface) for ink in ("ink", "ink-2", "ink-3", "accent") for surface in SURFACES]
TEXT += [(tone, surface) for tone in TONES for surface in ("surface", "raised", f"{tone}-soft")]
TEXT += [("accent", "accent-soft"), ("ink-2", "bad-soft"), ("ink-3", "idle-soft"), ("ink-3", "accent-soft")]
TEXT += [("on-accent", "accent"), ("on-accent", "accent-strong"), ("on-accent", "bad"), ("on-accent", "bad-strong")]
EDGES = [("edge", "surface"), ("edge", "raised"), ("accent", "page"), ("accent", "side")]


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("ink", "surface"), TEXT)
def test_text_is_legible(ink: str, surface: str, theme: int) -> None:
    assert _contrast(TOKENS[ink][theme], TOKENS[surface][theme]) >= 4.5


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
@pytest.mark.parametrize(("edge", "surface"), EDGES)
def test_edges_of_controls_and_the_focus_ring_are_seen(edge: str, surface: str, theme: int) -> None:
    assert _contrast(TOKENS[edge][theme], TOKENS[surface][theme]) >= 3


def test_scripts_stay_small() -> None:
    assert sum(path.stat().st_size for path in CSS.parent.glob("js/*.js")) < 60_000


@pytest.mark.parametrize("path", sorted(CSS.parent.glob("**/*.[cj]s*")), ids=lambda path: path.name)
def test_no_file_grows_a_second_subject(path: Path) -> None:
    assert len(path.read_text().splitlines()) < 400


def test_colours_are_written_in_the_tokens_alone() -> None:
    strays = {
        path.name: found
        for path in CSS.glob("*.css")
        if path.name not in ("tokens.css", "entrance.css")
        and (found := re.findall(r"(?<!&)#[0-9a-f]{3,8}\b", path.read_text()))
    }
    assert strays == {}
