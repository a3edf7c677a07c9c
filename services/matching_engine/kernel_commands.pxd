cimport cython
from services.matching_engine.kernel_codes cimport *
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_matching cimport Matching
from services.matching_engine.kernel_queues cimport Queues

cdef class Commands(Matching):
    cdef readonly long long lot_size
    cdef const long long[::1] commands
    cdef long long[::1] single

    cdef Py_ssize_t _apply(self, long long at) except -1
    cdef void _warm(self, long long at, long long end) noexcept
    cdef Py_ssize_t _reject(self, long long at, long long side, long long reason) except -1
    cdef Py_ssize_t _place(self, long long at) except -1
    cdef Py_ssize_t _new_order(self, long long at, long long side, long long order_type) except -1
    cdef long long _refuse_fields(self, long long at, long long side, long long order_type) noexcept
    cdef long long _refuse_figures(self, long long price, long long quantity, long long on_tick) noexcept
    cdef long long _refuse_options(self, long long at, long long side, long long order_type) noexcept
    cdef long long _refuse_now(self, long long at, long long side, long long order_type) noexcept
    cdef long long _would_trade(self, long long side, long long price) noexcept
    cdef Py_ssize_t _cancel(self, long long at) except -1
    cdef Py_ssize_t _cancel_all(self, long long at) except -1
    cdef Py_ssize_t _amend(self, long long at) except -1
    cdef long long _refuse_amend(self, long long order, long long price, long long total) noexcept
    cdef Py_ssize_t _amend_waiting(self, long long order, long long price, long long total, long long left) except -1
    cdef Py_ssize_t _amend_in_place(self, long long order, long long total, long long left) except -1
    cdef Py_ssize_t _advance_clock(self, long long at) except -1
    cdef Py_ssize_t _set_session(self, long long at) except -1
    cdef Py_ssize_t _configure(self, long long at) except -1
