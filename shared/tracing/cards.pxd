# C types for the compiled form of cards.py.

cimport cython
from cpython.long cimport PyLong_AsLongLongAndOverflow

cdef long long SMALLEST, CLOCK_ID_MIN, CLOCK_ID_END

cpdef bint is_card(str digits) except -1

@cython.locals(overflow=cython.int, small=cython.longlong)
cpdef bint is_card_as_id(object number) except -1

cpdef bint is_clock_id(str text) except -1

@cython.locals(total=cython.int, digit=cython.int, double=cython.bint, character=cython.Py_UCS4)
cpdef bint passes(str digits) except -1
