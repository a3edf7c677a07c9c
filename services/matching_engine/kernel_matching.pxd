cimport cython
from services.matching_engine.kernel_codes cimport *
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_orders cimport OrderPool
from services.matching_engine.kernel_queues cimport Queues
from services.matching_engine.kernel_report cimport ReportLog
from services.matching_engine.kernel_stops cimport Stops

cdef long long fee_of(long long notional, long long rate_ppm) noexcept

cdef class Matching:
    cdef readonly long long tick_size
    cdef OrderPool pool
    cdef ReportLog log
    cdef Queues bids
    cdef Queues asks
    cdef Queues expiries
    cdef Stops stops
    cdef long long session
    cdef long long clock
    cdef long long last_price
    cdef long long reference_price
    cdef long long band
    cdef long long band_low
    cdef long long band_high
    cdef long long band_hit
    cdef long long maker_fee_ppm
    cdef long long taker_fee_ppm
    cdef long long named
    cdef long long named_by
    cdef long long traded

    cdef Py_ssize_t _enter(self, long long taker, long long kind) except -1
    cdef Py_ssize_t _match(self, long long taker) except -1
    cdef Py_ssize_t _can_fill(self, long long taker) except -1
    cdef Py_ssize_t _rest(self, long long order, long long kind) except -1
    cdef Py_ssize_t _wait(self, long long order) except -1
    cdef Py_ssize_t _register(self, long long order, long long linked) except -1
    cdef Py_ssize_t _join_expiry(self, long long order) except -1
    cdef Py_ssize_t _trade(self, long long taker, long long maker, Queues makers, long long price) except -1
    cdef Py_ssize_t _prevent(self, long long taker, long long maker, Queues makers) except -1
    cdef long long _reduce_both(self, long long taker, long long maker, Queues makers) noexcept
    cdef Py_ssize_t _used_up(self, long long order, Queues side, long long reason) except -1
    cdef void _show_slice(self, long long order, long long left) noexcept
    cdef Py_ssize_t _finish(self, long long order, long long reason) except -1
    cdef void _leave(self, long long order) noexcept
    cdef Py_ssize_t _cancel_partner(self, long long order) except -1
    cdef void _set_band(self) noexcept
    cdef Py_ssize_t _end_band(self) except -1
    cdef Queues _own_side(self, long long order)
    cdef Queues _other_side(self, long long order)
    cdef long long _own_key(self, long long order) noexcept
    cdef long long _last_key(self, long long order) noexcept
    cdef long long _band_key(self, long long order, long long highest) noexcept
    cdef Py_ssize_t _report(self, long long kind, long long order, long long reason) except -1
    cdef Py_ssize_t _report_pair(self, long long kind, long long taker, long long maker, long long price, long long quantity) except -1
