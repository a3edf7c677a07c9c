cimport cython
from services.matching_engine.kernel_codes cimport *
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_queues cimport Queues
from services.matching_engine.kernel_refusals cimport Refusals

cdef class Commands(Refusals):

    cdef Py_ssize_t _apply(self, long long at) except -1
    cdef void _warm(self, long long at, long long end) noexcept
    cdef void _warm_level(self, long long at) noexcept
    cdef void _fill_extra(self, long long order, long long side, long long order_type, long long trigger) noexcept
    cdef Py_ssize_t _reject(self, long long at, long long side, long long reason) except -1
    cdef Py_ssize_t _place(self, long long at) except -1
    cdef Py_ssize_t _new_order(self, long long at, long long side, long long order_type) except -1
    cdef Py_ssize_t _cancel(self, long long at) except -1
    cdef Py_ssize_t _cancel_all(self, long long at) except -1
    cdef Py_ssize_t _amend(self, long long at) except -1
    cdef Py_ssize_t _amend_waiting(self, long long order, long long price, long long total, long long left) except -1
    cdef Py_ssize_t _amend_in_place(self, long long order, long long total, long long left) except -1
    cdef Py_ssize_t _advance_clock(self, long long at) except -1
    cdef Py_ssize_t _set_session(self, long long at) except -1
    cdef Py_ssize_t _configure(self, long long at) except -1
