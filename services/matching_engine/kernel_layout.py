"""Where each number of the kernel lives: the words of an order, a level, a packed command and a packed report.

The kernel keeps everything in flat arrays of 64-bit words, so that a book is a few blocks of memory without pointers
into Python. A record is known by the offset of its first word, and `words[record + FIELD]` is one of its fields.
Offset 0 is never handed out: it means "none". `kernel_layout.pxd` gives the compiler the same numbers; a test
compares the two.
"""

# An order is three cache lines. The first holds what matching and unlinking touch. The third is all zero, and is not
# looked at, unless EXTRA_BIT is set.
ORDER_WORDS = 24
ORDER_ID = 0
ACCOUNT = 1
OPEN = 2  # what it shows; as a taker, all that is left of it
LEVEL = 3  # the three links of the queue it is in, in this order
NEXT = 4
PREVIOUS = 5
FLAGS = 6
PRICE = 7
# The second is touched when an order enters or leaves for good.
TOTAL = 8
HIDDEN = 9
DISPLAY = 10
ENTRY = 11
ACCOUNT_NEXT = 12
ACCOUNT_PREVIOUS = 13
LINK = 14
EXPIRES_AT = 15
# The third is for stops, and for orders with an expiry.
EXPIRY_LEVEL = 16  # three links, as above
EXPIRY_NEXT = 17
EXPIRY_PREVIOUS = 18
TRIGGER = 19
TRAIL = 20

# The flags: side | order type << 8 | time in force << 16 | self-trade choice << 24 | the bits below.
TYPE_SHIFT = 8
FORCE_SHIFT = 16
SELF_TRADE_SHIFT = 24
POST_ONLY_BIT = 32
ICEBERG_BIT = 33
WAITING_BIT = 34
EXTRA_BIT = 35  # in memory only, not in snapshots

# A price level is one cache line.
LEVEL_WORDS = 8
KEY = 0
HEAD = 1
TAIL = 2
QUANTITY = 3
HIDDEN_QUANTITY = 4
COUNT = 5

# A packed report. Its first word is kind | side << 8 | reason << 16.
REPORT_WORDS = 13
R_CODES = 0
R_ORDER = 1
R_ACCOUNT = 2
R_PRICE = 3
R_QUANTITY = 4
R_REMAINING = 5
R_DISPLAYED = 6
R_MAKER = 7
R_MAKER_ACCOUNT = 8
R_MAKER_REMAINING = 9
R_FEE = 10
R_MAKER_FEE = 11
R_SEQUENCE = 12

# A packed command. Its first word is
# kind | side << 8 | order type << 16 | time in force << 24 | self-trade choice << 32 | post-only << 40.
COMMAND_WORDS = 10
C_CODES = 0
C_ORDER = 1
C_ACCOUNT = 2
C_PRICE = 3
C_QUANTITY = 4
C_DISPLAY = 5
C_TRIGGER = 6
C_EXPIRES_AT = 7
C_LINKED = 8

# The levels of a side are numbered by key: 30 bits of ticks, six bits per step down the tree.
KEY_STEPS = 5
MAX_KEY = 1073741823
MAX_QUANTITY = 1000000000
# Expiries are kept in the same kind of tree, by second. Key 0 holds the day orders.
EXPIRY_STEPS = 6
MAX_TRAILING = 100


def prefetch(address: object) -> None:
    """Stand for the compiler's request to fetch memory ahead; plain Python has nothing to ask for."""
