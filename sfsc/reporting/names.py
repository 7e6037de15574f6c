"""What methods and sub-models are called, and the colour and marker each method has everywhere."""

import zlib
from fractions import Fraction

METHODS = {
    "full_alone": ("Full alone", "#595959", "s"),
    "unified": ("Unified", "#E69F00", "D"),
    "bct_s": ("BCT-S", "#56B4E9", "^"),
    "bct_s_classifier_all": ("BCT-S (classifier moved by all)", "#0072B2", "v"),
    "sfsc": ("SFSC (ours)", "#D55E00", "o"),
}
"""Display name, colour (Okabe and Ito's palette, safe for the colour-blind) and marker."""
OTHER_COLOURS = ("#009E73", "#CC79A7", "#8F7A00", "#332288", "#882255")
OTHER_MARKERS = ("P", "X", "<", ">", "p")


def method_name(method: str) -> str:
    """Return the name that a reader sees.

    >>> method_name("bct_s"), method_name("sfsc_without_projection")
    ('BCT-S', 'Sfsc without projection')
    """
    known = METHODS.get(method)
    return known[0] if known else method.replace("_", " ").capitalize()


def name_lines(method: str) -> tuple[str, str]:
    """Return a method's name and, for a second line, what its name has in brackets.

    >>> name_lines("bct_s_classifier_all")
    ('BCT-S', '(classifier moved by all)')
    """
    name, bracket, qualifier = method_name(method).partition(" (")
    return (name, f"({qualifier}") if bracket and len(qualifier) > 6 else (method_name(method), "")


def method_colour(method: str) -> str:
    """Return the colour that a method has in every figure; of an unknown one by its name."""
    known = METHODS.get(method)
    return known[1] if known else OTHER_COLOURS[_stable_index(method, len(OTHER_COLOURS))]


def method_marker(method: str) -> str:
    """Return the marker that a method has in every figure: the second cue beside the colour."""
    known = METHODS.get(method)
    return known[2] if known else OTHER_MARKERS[_stable_index(method, len(OTHER_MARKERS))]


def width_name(width: float) -> str:
    """Return a width as a reader sees it: a simple fraction where it is one.

    >>> width_name(0.125), width_name(1.0), width_name(0.3)
    ('1/8', '1', '0.3')
    """
    fraction = Fraction(width).limit_denominator(64)
    is_simple = fraction == Fraction(width) and fraction.numerator < 8
    return str(fraction) if is_simple else f"{width:g}"


def _stable_index(name: str, n: int) -> int:
    return zlib.crc32(name.encode()) % n
