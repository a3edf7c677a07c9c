cimport cython
from services.matching_engine.kernel_codes cimport *
from services.matching_engine.kernel_layout cimport *
from services.matching_engine.kernel_sessions cimport Sessions

cdef class Refusals(Sessions):
    cdef readonly long long lot_size
    cdef const long long[::1] commands
    cdef long long[::1] single

    cdef long long _refuse_fields(self, long long at, long long side, long long order_type) noexcept
    cdef long long _refuse_figures(self, long long price, long long quantity, long long on_tick) noexcept
    cdef long long _refuse_options(self, long long at, long long side, long long order_type) noexcept
    cdef long long _refuse_now(self, long long at, long long side, long long order_type) noexcept
    cdef long long _would_trade(self, long long side, long long price) noexcept
    cdef long long _refuse_amend(self, long long order, long long price, long long total) noexcept
