cimport cython
from services.matching_engine.kernel_layout cimport *

@cython.final
cdef class Report:
    cdef readonly long long kind
    cdef readonly long long side
    cdef readonly long long reason
    cdef readonly long long order_id
    cdef readonly long long account_id
    cdef readonly long long price
    cdef readonly long long quantity
    cdef readonly long long remaining
    cdef readonly long long displayed
    cdef readonly long long maker_order_id
    cdef readonly long long maker_account_id
    cdef readonly long long maker_remaining
    cdef readonly long long fee
    cdef readonly long long maker_fee
    cdef readonly long long sequence

@cython.final
cdef class ReportLog:
    cdef long long[::1] words
    cdef long long end
    cdef long long sequence

    cdef Py_ssize_t add(self, long long codes_word, long long order_id, long long account_id, long long price, long long quantity, long long remaining, long long displayed) except -1
    cdef Py_ssize_t add_maker(self, long long order_id, long long account_id, long long remaining) noexcept
    cdef void add_fees(self, long long fee, long long maker_fee) noexcept
    cdef bytes packed(self)
    cdef list objects(self)
