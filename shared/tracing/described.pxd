# C types for the compiled form of described.py.

cimport cython
from shared.tracing.attributes cimport clean_attributes, clean_value
from shared.tracing.cards cimport is_card_as_id
from shared.tracing.otlp_values cimport write_attributes, write_key_value, write_value
from shared.tracing.redact cimport is_plain, is_suspect, redact_attributes
from shared.tracing.wire cimport Writer, put_back, take_writer

cdef int SPAN_ATTRIBUTE, VALUE, TEXT, AS_IS, DIGITS, TABLE, CONVERTED


@cython.final
cdef class FixedAttributes:
    cdef object __weakref__
    cdef readonly dict known
    cdef readonly bytes encoded
    cdef readonly bint counts_messages


@cython.final
cdef class Field:
    cdef readonly str key
    cdef readonly tuple path
    cdef readonly int kind, form
    cdef readonly object read, convert
    cdef readonly dict table, written
    cdef readonly bytes head, before, after

    cdef raw(self, item)
    cdef value(self, value)


@cython.final
cdef class ItemAttributes:
    cdef readonly FixedAttributes fixed
    cdef readonly list fields
    cdef readonly frozenset keys
    cdef readonly int count

    @cython.locals(field=Field, found=dict)
    cpdef dict attributes(self, item)

    @cython.locals(index=cython.Py_ssize_t)
    cdef write(self, Writer writer, item)


cdef field_value(Field field, item)

@cython.locals(start=cython.Py_ssize_t, known=bytes)
cdef write_field(Writer writer, Field field, item)
