# C types for the compiled form of server_span.py.

cimport cython
from shared.tracing.current cimport context_with
from shared.tracing.starting cimport start_remote_child

cdef object EMPTY, SERVER

@cython.locals(attributes=dict, header=bytes, plain=cython.bint)
cpdef tuple start_request(object tracer, object scope, object name)

@cython.locals(attributes=dict)
cdef dict request_attributes(object scope)

cdef route_of(object scope)

@cython.locals(traceparent=bytes)
cpdef list response_headers(object span)

cpdef finish(object span, object scope, object method, int status)
