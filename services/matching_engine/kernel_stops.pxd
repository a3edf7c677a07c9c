cimport cython
from services.matching_engine.kernel_codes cimport BUY
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_orders cimport OrderPool
from services.matching_engine.kernel_queues cimport Queues

@cython.final
cdef class Stops:
    cdef OrderPool pool
    cdef long long tick_size
    cdef Queues buys
    cdef Queues sells
    cdef long long[::1] trailing
    cdef long long trailing_count

    cdef Py_ssize_t join(self, long long order) except -1
    cdef void leave(self, long long order) noexcept
    cdef Queues queues_of(self, long long order)
    cdef void trail(self, long long order) noexcept
    cdef void forget(self, long long order) noexcept
    cdef long long trailed(self, long long side, long long distance, long long last_price) noexcept
    cdef Py_ssize_t follow(self, long long last_price) except -1
    cdef long long triggered(self, long long last_price) noexcept
