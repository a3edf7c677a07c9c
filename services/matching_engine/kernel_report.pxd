cimport cython

@cython.final
@cython.freelist(1024)
cdef class Report:
    cdef readonly long long kind
    cdef readonly long long side
    cdef readonly long long reason
    cdef readonly long long order_id
    cdef readonly long long account_id
    cdef readonly long long price
    cdef readonly long long quantity
    cdef readonly long long remaining
    cdef readonly long long maker_order_id
    cdef readonly long long maker_account_id
    cdef readonly long long maker_remaining
    cdef readonly long long sequence
