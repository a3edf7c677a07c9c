cimport cython
from services.matching_engine.kernel_ladder cimport Ladder
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_orders cimport OrderPool

@cython.final
cdef class Queues(Ladder):
    cdef OrderPool pool
    cdef long long links

    cdef Py_ssize_t join(self, long long order, long long key) except -1
    cdef void leave(self, long long order) noexcept
    cdef long long first(self) noexcept
    cdef long long following(self, long long order) noexcept
