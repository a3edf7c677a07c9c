cimport cython
from services.matching_engine.kernel_ids cimport IdMap
from services.matching_engine.kernel_layout cimport *

@cython.final
cdef class OrderPool:
    cdef long long[::1] words
    cdef long long next_order
    cdef long long free_order
    cdef long long entries
    cdef IdMap places
    cdef IdMap accounts

    cdef Py_ssize_t new(self) except -1
    cdef void free(self, long long order) noexcept
    cdef long long find(self, long long order_id) noexcept
    cdef void warm(self, long long order_id) noexcept
    cdef void warm_neighbours(self, long long order_id, long long account) noexcept
    cdef Py_ssize_t register(self, long long order, long long entry) except -1
    cdef void _unregister(self, long long order) noexcept
