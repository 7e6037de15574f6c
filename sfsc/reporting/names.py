"""Display names of methods, conditions and sub-models; colour and marker of each method."""

import re
import zlib
from collections.abc import Sequence
from fractions import Fraction

OURS, RIVAL, TWINS = "sfsc", "bct_s", "independent"
"""Rows of `methods` that claims name: the paper's method, its main rival, and the independently
trained networks that its sub-models are compared with."""

METHODS = {
    "full_alone": ("Full alone", "#595959", "s"),
    "full_scratch": ("Full from scratch", "#3B3B3B", "$s$"),
    "unified": ("Unified", "#E69F00", "D"),
    "independent": ("Independent", "#9A9A9A", "d"),
    "bct": ("BCT", "#009E73", "<"),
    "asymmetric": ("Asymmetric", "#8F7A00", ">"),
    "asymmetric_regression": ("Asymmetric (regression)", "#5E5000", "h"),
    "asymmetric_contrastive": ("Asymmetric (contrastive)", "#6B8E23", "P"),
    "asymmetric_triplet": ("Asymmetric (triplet)", "#BDB76B", "H"),
    "bct_s": ("BCT-S", "#56B4E9", "^"),
    "bct_s_classifier_all": ("BCT-S (classifier moved by all)", "#0072B2", "v"),
    "asymmetric_s": ("Asymmetric-S", "#CC79A7", "p"),
    "asymmetric_s_regression": ("Asymmetric-S (regression)", "#882255", "8"),
    "asymmetric_s_contrastive": ("Asymmetric-S (contrastive)", "#AA4499", "X"),
    "asymmetric_s_triplet": ("Asymmetric-S (triplet)", "#DDA0C0", "*"),
    "sfsc": ("SFSC (ours)", "#D55E00", "o"),
    "sfsc@parts=without_compatible": ("SFSC without compatible loss", "#332288", "$c$"),
    "sfsc@parts=without_projection": ("SFSC without projection", "#44AA99", "$p$"),
}
"""Display name, colour and marker of each known method. The colours are Okabe and Ito's palette,
which is safe for the colour-blind, and shades of it."""
OTHER_COLOURS = ("#117733", "#7B5EA7", "#A0522D", "#4E6E81", "#B5306A")
OTHER_MARKERS = ("$1$", "$2$", "$3$", "$4$", "$5$")
SPELLINGS = {
    "kl": "KL", "mgda": "MGDA", "upgrad": "UPGrad", "cagrad": "CAGrad", "arcface": "ArcFace",
    "cosface": "CosFace", "resnet": "ResNet", "resnet18": "ResNet-18", "mobilenet": "MobileNet",
    "v2": "V2", "dim": "dimension",
}  # fmt: skip
"""Words of `params.yaml` and how readers see them."""


def method_name(method: str) -> str:
    """Return the display name of a row of `methods` or of a condition of a variation.

    >>> method_name("bct_s"), method_name("my_idea")
    ('BCT-S', 'My idea')
    >>> method_name("sfsc@kl_weight=0.005")
    'SFSC, KL weight: 0.005'
    """
    if method in METHODS:
        return METHODS[method][0]
    row, _, condition = method.partition("@")
    if not condition:
        return heading(method)
    variation, _, value = condition.partition("=")
    return f"{short_name(row)}, {in_words(variation)}: {in_words(value)}"


def short_name(method: str) -> str:
    """Return the display name without the "(ours)" of the paper's method.

    >>> short_name("sfsc"), short_name("asymmetric_triplet")
    ('SFSC', 'Asymmetric (triplet)')
    """
    return method_name(method).removesuffix(" (ours)")


def name_lines(method: str) -> tuple[str, str]:
    """Return a method's display name in two lines, the second of which may be empty.

    >>> name_lines("bct_s_classifier_all")
    ('BCT-S', '(classifier moved by all)')
    >>> name_lines("sfsc@parts=without_projection")
    ('SFSC', 'without projection')
    """
    name = method_name(method)
    if len(name) <= 14:
        return name, ""
    for mark in (" (", ", ", " without "):
        first, found, rest = name.partition(mark)
        if found:
            return first, mark.lstrip(" ,") + rest
    return name, ""


def in_words(name: str) -> str:
    """Return a name of `params.yaml`, or a list of widths, as readers see it.

    >>> in_words("kl_weight"), in_words("0.25-0.5-1")
    ('KL weight', '1/4, 1/2, 1')
    """
    if re.fullmatch(r"[\d.]+(-[\d.]+)+", name):
        return ", ".join(width_name(float(width)) for width in name.split("-"))
    return " ".join(SPELLINGS.get(word, word) for word in name.split("_"))


def heading(name: str) -> str:
    """Return `in_words` with a capital letter.

    >>> heading("base_loss")
    'Base loss'
    """
    text = in_words(name)
    return text[:1].upper() + text[1:]


def method_colour(method: str) -> str:
    """Return a method's colour, the same in every figure."""
    known = METHODS.get(method)
    return known[1] if known else _pick(method, OTHER_COLOURS)


def method_marker(method: str) -> str:
    """Return a method's marker, a second cue beside the colour."""
    known = METHODS.get(method)
    return known[2] if known else _pick(method, OTHER_MARKERS)


def width_name(width: float) -> str:
    """Return a width as readers see it, as a fraction if that is simple.

    >>> width_name(0.125), width_name(1.0), width_name(0.3)
    ('1/8', '1', '0.3')
    """
    fraction = Fraction(width).limit_denominator(64)
    is_simple = fraction == Fraction(width) and fraction.numerator < 8
    return str(fraction) if is_simple else f"{width:g}"


def _pick(method: str, choices: Sequence[str]) -> str:
    """Return one of the choices, always the same for the same method."""
    return choices[zlib.crc32(method.encode()) % len(choices)]
