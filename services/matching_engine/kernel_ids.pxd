cimport cython
from services.matching_engine.kernel_layout cimport prefetch
@cython.final
cdef class IdMap:
    cdef public long long count
    cdef long long mask
    cdef long long shift
    cdef long long[::1] table

    cdef long long _home(self, unsigned long long key) noexcept
    cpdef long long get(self, long long key) noexcept
    cdef void warm(self, long long key) noexcept
    cpdef Py_ssize_t put(self, long long key, long long value) except -1
    cpdef long long replace(self, long long key, long long value) noexcept
    cpdef long long remove(self, long long key) noexcept
    cdef void _close_gap(self, long long gap) noexcept
    cdef Py_ssize_t _grow(self) except -1
