cimport cython
from services.matching_engine.kernel_codes cimport *
from services.matching_engine.kernel_commands cimport Commands
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_queues cimport Queues
from services.matching_engine.kernel_report cimport Report

cdef long long byte(long long code) noexcept

@cython.final
cdef class Book(Commands):
    cdef readonly str symbol

    cdef void _single(self, long long codes_word, long long order_id, long long account_id, long long price, long long quantity) noexcept
    cdef list _happenings(self)
    cdef list _side_depth(self, Queues side, long long levels)
    cdef list _in_order(self, Queues queues)
