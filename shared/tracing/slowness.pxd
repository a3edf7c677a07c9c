# C types for the compiled form of slowness.py.

cimport cython

cdef int FADE_AT, LOOK_EVERY, OPERATIONS_MAX, SUB_BITS


@cython.final
cdef class Durations:
    cdef public long long seen, count, threshold_ns
    cdef public list buckets

    @cython.locals(slow=cython.bint)
    cpdef bint note(self, long long duration_ns, double quantile) except -1

    @cython.locals(above=cython.double, found=cython.longlong, index=cython.int)
    cpdef look(self, double quantile)


@cython.final
cdef class Slowness:
    cdef public double quantile
    cdef public long long slow_ns
    cdef public dict operations

    @cython.locals(slow=cython.bint, durations=Durations)
    cpdef bint note(self, name, long long duration_ns) except -1


@cython.locals(shift=cython.int, rest=cython.longlong)
cpdef int bucket_of(long long duration_ns) except -1

@cython.locals(shift=cython.int, edge=cython.longlong)
cpdef long long lower_edge_ns(int index) except -1
