from services.matching_engine.kernel_layout cimport COUNT, HEAD, HIDDEN_QUANTITY, KEY, LEVEL_WORDS, QUANTITY, TAIL

cdef long long lowest_bit(unsigned long long bitmap) noexcept

cdef class Ladder:
    cdef public long long best
    cdef public long long count
    cdef long long[::1] levels
    cdef long long next_level
    cdef long long free_level
    cdef unsigned long long[::1] bitmaps
    cdef int[::1] children
    cdef long long next_node
    cdef long long free_node
    cdef long long[::1] path
    cdef long long steps
    cdef long long top_shift

    cpdef long long find(self, long long key) noexcept
    cpdef Py_ssize_t find_or_add(self, long long key) except -1
    cpdef void remove(self, long long level) noexcept
    cpdef long long after(self, long long key) noexcept
    cdef Py_ssize_t _new_node(self) except -1
    cdef Py_ssize_t _new_level(self, long long key) except -1
