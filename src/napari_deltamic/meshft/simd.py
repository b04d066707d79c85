"""Short vectors for numba: numba leaves superword vectorisation off, so the hot loops ask for it.

A vector is a value, kept in registers. Its width is fixed by the element type: 8 float32 or
16 float64, as many as the widest spreading kernel of each precision has nodes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import extending
from numba.core import cgutils, types
from numba.extending import models, register_model

WIDTH = {"float32": 8, "float64": 16}

_BYTES = {types.float32: 4, types.float64: 8}
_CONTRACT = ("contract",)


def intrinsic(function: Callable[..., Any]) -> Any:
    """Make an intrinsic that type checkers let kernels call without the compiler's context."""
    return extending.intrinsic(function)


class _Vector(types.Type):
    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.width = WIDTH[dtype.name]
        super().__init__(name=f"vector_{dtype.name}_{self.width}")


@register_model(_Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, vector: _Vector) -> None:
        element = ir.FloatType() if vector.dtype == types.float32 else ir.DoubleType()
        super().__init__(  # type: ignore[no-untyped-call]
            manager, vector, ir.VectorType(element, vector.width)
        )


def _lane(index: int) -> ir.Constant:
    return ir.Constant(ir.IntType(32), index)


def _address(context: Any, builder: Any, signature: Any, args: Any, vector: Any) -> Any:
    """Return the address of ``args[0][args[1]]`` of a C-contiguous array, as a vector's."""
    array = cgutils.create_struct_proxy(signature.args[0])(context, builder, args[0])
    element = builder.gep(array.data, [args[1]])
    return builder.bitcast(element, context.get_value_type(vector).as_pointer())


@intrinsic
def lanes(typing: Any, array: Any) -> Any:
    """Return how many of the array's elements a vector holds: a constant, so loops unroll."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return context.get_constant(types.intp, WIDTH[array.dtype.name])

    return types.intp(array), codegen


@intrinsic
def load(typing: Any, array: Any, offset: Any) -> Any:
    """Return the vector that starts at ``array[offset]``; 1D, contiguous, bounds unchecked."""
    vector = _Vector(array.dtype)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature, args, vector)
        return builder.load(address, align=_BYTES[array.dtype])

    return vector(array, types.intp), codegen


@intrinsic
def store(typing: Any, array: Any, offset: Any, value: Any) -> Any:
    """Write the vector to ``array[offset:offset + width]``; 1D, contiguous, bounds unchecked."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature, args, value)
        builder.store(args[2], address, align=_BYTES[array.dtype])
        return context.get_dummy_value()

    return types.void(array, types.intp, value), codegen


@intrinsic
def broadcast(typing: Any, scalar: Any) -> Any:
    """Return the vector whose lanes all hold the scalar."""
    vector = _Vector(scalar)

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        undefined = ir.Constant(context.get_value_type(vector), ir.Undefined)
        first = builder.insert_element(undefined, args[0], _lane(0))
        zeros = ir.Constant(ir.VectorType(ir.IntType(32), vector.width), [0] * vector.width)
        return builder.shuffle_vector(first, undefined, zeros)

    return vector(scalar), codegen


@intrinsic
def multiply(typing: Any, a: Any, b: Any) -> Any:
    """Return a * b, lane by lane."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fmul(*args, flags=_CONTRACT)

    return a(a, b), codegen


@intrinsic
def multiply_add(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """Return a * b + c, lane by lane, fused where the processor can."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        product = builder.fmul(args[0], args[1], flags=_CONTRACT)
        return builder.fadd(product, args[2], flags=_CONTRACT)

    return a(a, b, c), codegen


@intrinsic
def total(typing: Any, value: Any) -> Any:
    """Return the sum of the lanes, added pairwise."""

    def codegen(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        (vector,) = args
        width = value.width
        while width > 1:
            width //= 2
            undefined = ir.Constant(vector.type, ir.Undefined)
            halves = []
            for start in (0, width):
                lanes = ir.Constant(
                    ir.VectorType(ir.IntType(32), width), list(range(start, start + width))
                )
                halves.append(builder.shuffle_vector(vector, undefined, lanes))
            vector = builder.fadd(*halves, flags=_CONTRACT)
        return builder.extract_element(vector, _lane(0))

    return value.dtype(value), codegen
