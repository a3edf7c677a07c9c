# cython: language_level=3, annotation_typing=False
# mypy: disable-error-code="name-defined"
# ruff: noqa: F821
"""Payment card numbers, told from the ids and counters that look like them.

One in ten numbers passes the check digit of cards (ISO/IEC 7812) by chance. So the digits that name the issuer count,
too, with the lengths that are issued under them: of random numbers of 13 to 19 digits one in 25 to 60 is left.
"""

import re

import cython

DIGITS_MIN, DIGITS_MAX = 13, 19

CLOCK_ID_DIGITS = 18
"""Ids with a clock in their upper bits have so many digits for years on end; cards of that length are hardly issued."""

SMALLEST, CLOCK_ID_MIN, CLOCK_ID_END = 10**12, 10**17, 10**18

IN_TEXT = re.compile(
    r"(?<![\w-])(?<!\d\.)(?:[2-68]\d{3}([ -]?)\d{4}\1\d{4}\1\d{1,4}(?:\1\d{1,3})?|3\d{3}([ -])\d{6}\2\d{4,5})(?![\w-])"
)
"""Anything of a card number's form: in one piece, in fours, or 4-6-5 as American Express writes them."""

ANY = frozenset(range(DIGITS_MIN, DIGITS_MAX + 1))
ISSUED = (
    (2200, 2204, frozenset({16, 17, 18, 19})),  # Mir
    (2221, 2720, frozenset({16})),  # Mastercard
    (3000, 3059, frozenset({14, 16})),  # Diners Club
    (3400, 3499, frozenset({15})),  # American Express
    (3528, 3589, frozenset({16, 17, 18, 19})),  # JCB
    (3600, 3699, frozenset({14, 16})),  # Diners Club
    (3700, 3799, frozenset({15})),  # American Express
    (3800, 3999, frozenset({14, 16})),  # Diners Club
    (4000, 4999, frozenset({13, 16, 19})),  # Visa
    (5000, 5099, ANY),  # Maestro
    (5100, 5599, frozenset({16})),  # Mastercard
    (5600, 5899, ANY),  # Maestro
    (6000, 6999, ANY),  # Maestro, Discover, UnionPay, RuPay
    (8100, 8171, frozenset({16, 17, 18, 19})),  # UnionPay
)
"""First four digits from and to, and the lengths of the numbers."""


def is_card(digits: str) -> bool:
    """Whether a text of digits alone is a card's number."""
    if not digits.isascii() or not digits.isdigit() or not DIGITS_MIN <= len(digits) <= DIGITS_MAX:
        return False
    first = int(digits[:4])
    for low, high, lengths in ISSUED:
        if low <= first <= high:
            return len(digits) in lengths and passes(digits)
    return False


def is_card_as_id(number: int) -> bool:
    """Whether a number that stands where an id should is a card's. Nearly all are too small, and done with at once."""
    if cython.compiled:
        overflow = 0
        small = PyLong_AsLongLongAndOverflow(number, cython.address(overflow))
        if not overflow and (small < SMALLEST or CLOCK_ID_MIN <= small < CLOCK_ID_END):
            return False
    digits = str(number)
    return len(digits) != CLOCK_ID_DIGITS and is_card(digits)


def is_clock_id(text: str) -> bool:
    """Whether a text that stands where an id should is a number of the length that cards do not have."""
    return len(text) == CLOCK_ID_DIGITS and text.isdigit()


def passes(digits: str) -> bool:
    """Whether the check digit fits."""
    total = 0
    double = False
    for character in reversed(digits):
        digit = ord(character) - 48
        if double:
            digit = 2 * digit - 9 if digit > 4 else 2 * digit
        total += digit
        double = not double
    return total % 10 == 0
