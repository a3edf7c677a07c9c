cimport cython
from services.matching_engine.kernel_ids cimport IdMap
from services.matching_engine.kernel_ladder cimport Ladder, doubled
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_report cimport Report

@cython.final
cdef class Book:
    cdef readonly str symbol
    cdef readonly long long tick_size
    cdef readonly long long lot_size
    cdef readonly long long sequence
    cdef Ladder bids
    cdef Ladder asks
    cdef IdMap places
    cdef long long[::1] words
    cdef long long next_order
    cdef long long free_order
    cdef long long[::1] reports
    cdef long long reports_end
    cdef long long met_own_order

    cdef Ladder _ladder(self, long long side)
    cdef list _side_depth(self, long long side, long long levels)
    cdef list _side_orders(self, long long side)
    cdef Py_ssize_t _place(self, long long order_id, long long account_id, long long side, long long order_type, long long time_in_force, long long price, long long quantity) except -1
    cdef long long _refusal(self, long long order_id, long long side, long long order_type, long long time_in_force, long long price, long long quantity) noexcept
    cdef long long _last_key(self, long long side, long long price) noexcept
    cdef long long _can_fill(self, long long account_id, long long side, long long price, long long quantity) noexcept
    cdef Py_ssize_t _match(self, long long order_id, long long account_id, long long side, long long price, long long quantity) except -1
    cdef Py_ssize_t _cancel(self, long long order_id) except -1
    cdef Py_ssize_t _rest(self, long long order_id, long long account_id, long long side, long long price, long long quantity) except -1
    cdef Py_ssize_t _join(self, long long order, long long key) except -1
    cdef long long _leave(self, long long order) noexcept
    cdef Py_ssize_t _finish(self, long long order, long long reason) except -1
    cdef Py_ssize_t _new_order(self) except -1
    cdef Py_ssize_t _report(self, long long kind, long long side, long long reason, long long order_id, long long account_id, long long price, long long quantity, long long remaining) except -1
    cdef long long _report_maker(self, long long order_id, long long account_id, long long remaining) noexcept
    cdef list _take_reports(self)
