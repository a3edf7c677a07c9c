# The constants of kernel_layout.py, for the compiler. Keep both in step; test_book_layout.py compares them.
cdef enum:
    ORDER_WORDS = 24
    ORDER_ID = 0
    ACCOUNT = 1
    OPEN = 2
    LEVEL = 3
    NEXT = 4
    PREVIOUS = 5
    FLAGS = 6
    PRICE = 7
    TOTAL = 8
    HIDDEN = 9
    DISPLAY = 10
    ENTRY = 11
    ACCOUNT_NEXT = 12
    ACCOUNT_PREVIOUS = 13
    LINK = 14
    EXPIRES_AT = 15
    EXPIRY_LEVEL = 16
    EXPIRY_NEXT = 17
    EXPIRY_PREVIOUS = 18
    TRIGGER = 19
    TRAIL = 20
    TYPE_SHIFT = 8
    FORCE_SHIFT = 16
    SELF_TRADE_SHIFT = 24
    POST_ONLY_BIT = 32
    ICEBERG_BIT = 33
    WAITING_BIT = 34
    EXTRA_BIT = 35
    LEVEL_WORDS = 8
    KEY = 0
    HEAD = 1
    TAIL = 2
    QUANTITY = 3
    HIDDEN_QUANTITY = 4
    COUNT = 5
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
    KEY_STEPS = 5
    MAX_KEY = 1073741823
    MAX_QUANTITY = 1000000000
    EXPIRY_STEPS = 6
    MAX_TRAILING = 100

cdef extern from *:
    """
    #if defined(__GNUC__) || defined(__clang__)
    #define prefetch(address) __builtin_prefetch((const void *)(address), 1)
    #else
    #define prefetch(address) ((void)(address))
    #endif
    """
    void prefetch(const void *address) nogil
