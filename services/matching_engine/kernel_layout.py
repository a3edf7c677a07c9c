"""Where each number of the kernel lives: the words of an order, a level and a packed report.

The kernel keeps everything in flat arrays of 64-bit words, so that a book is a few blocks of memory without pointers
into Python. A record is known by the offset of its first word, and `words[record + FIELD]` is one of its fields.
Offset 0 is never handed out: it means "none". `kernel_layout.pxd` gives the compiler the same numbers as constants; a
test compares the two.
"""

# An order is two cache lines. The first holds what matching and unlinking touch.
ORDER_WORDS = 16
ORDER_ID = 0
ACCOUNT = 1
OPEN = 2
LEVEL = 3
NEXT = 4
PREVIOUS = 5
SIDE = 6
PRICE = 7

# A price level is one cache line.
LEVEL_WORDS = 8
KEY = 0
HEAD = 1
TAIL = 2
QUANTITY = 3
COUNT = 4

# A packed report. Its first word is kind | side << 8 | reason << 16.
REPORT_WORDS = 10
R_CODES = 0
R_ORDER = 1
R_ACCOUNT = 2
R_PRICE = 3
R_QUANTITY = 4
R_REMAINING = 5
R_MAKER = 6
R_MAKER_ACCOUNT = 7
R_MAKER_REMAINING = 8
R_SEQUENCE = 9

# A packed command. Its first word is kind | side << 8 | order type << 16 | time in force << 24.
COMMAND_WORDS = 8
C_CODES = 0
C_ORDER = 1
C_ACCOUNT = 2
C_PRICE = 3
C_QUANTITY = 4

# The levels of a side are numbered by key: 30 bits of ticks, six bits per step down the tree.
KEY_BITS = 30
MAX_KEY = (1 << KEY_BITS) - 1
MAX_QUANTITY = 1_000_000_000
