# C types for the compiled form of sampling.py.

cdef class Sampler:
    cdef public double ratio
    cdef public unsigned long long bound
    cdef public bint keeps_all, parent_based, tells, sees_spans

    cpdef bint keep(self, unsigned long long trace_low, object name, object kind, object attributes) except -1
