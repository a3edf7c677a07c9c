cimport cython
from services.matching_engine.kernel_codes cimport *
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_matching cimport Matching, fee_of
from services.matching_engine.kernel_queues cimport Queues

cdef class Sessions(Matching):
    cdef Py_ssize_t _settle_stops(self) except -1
    cdef Py_ssize_t _change_session(self, long long session) except -1
    cdef Py_ssize_t _tell_session(self, object auction) except -1
    cdef object _find_auction(self)
    cdef Py_ssize_t _uncross(self, long long price, long long volume) except -1
    cdef Py_ssize_t _auction_trade(self, long long buy, long long sell, long long price) except -1
    cdef Py_ssize_t _expire(self, long long key) except -1
    cdef Py_ssize_t _expire_until(self, long long clock) except -1
    cdef dict _quantities(self, Queues side, long long lowest, long long highest)
