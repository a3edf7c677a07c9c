# C types for the compiled form of sources.py.

cimport cython
from posix.time cimport CLOCK_MONOTONIC, CLOCK_REALTIME, clock_gettime, clockid_t, timespec

cdef long long shift_ns
cdef unsigned long long state_0, state_1, state_2, state_3, GOLDEN, MIX_1, MIX_2

cdef inline long long read_clock(clockid_t clock) noexcept nogil:
    cdef timespec now
    clock_gettime(clock, &now)
    return now.tv_sec * 1000000000LL + now.tv_nsec

cpdef seed()

@cython.locals(bits=cython.ulonglong, shifted=cython.ulonglong)
cpdef unsigned long long next_id() noexcept

cpdef long long monotonic_ns() noexcept

cpdef long long wall_ns() noexcept

@cython.locals(bits=cython.ulonglong)
cpdef unsigned long long mixed_id(unsigned long long seed, unsigned long long index) noexcept
