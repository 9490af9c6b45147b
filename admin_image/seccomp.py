# SPDX-License-Identifier: Apache-2.0
"""A filter of system calls for this process and all that come from it, by libseccomp(3)."""

from __future__ import annotations

import ctypes
import os
from typing import TYPE_CHECKING, NoReturn

from hostview.seccomp_allow import ENOSYS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from hostview.seccomp_allow import Argument, Rule

# seccomp.h
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NOT_EQUAL, _MASKED_EQUAL = 1, 7
_NONE = -1  # __NR_SCMP_ERROR; other numbers below zero are calls of another architecture
# One filter stands for all that the processor can run, or a 32-bit program would be killed.
_OTHERS = {"x86_64": (b"x86", b"x32"), "aarch64": (b"arm",)}
_ATTRIBUTE_OPTIMIZE = 8  # since 2.5: a tree instead of a list of several hundred comparisons


class _Comparison(ctypes.Structure):
    """The `struct scmp_arg_cmp`."""

    _fields_ = (
        ("arg", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("datum_a", ctypes.c_uint64),
        ("datum_b", ctypes.c_uint64),
    )


class Filter:
    """`rules` as a filter that waits to be loaded; to be made while the library can be found.

    What is not named fails with `error`, or is allowed where that is 0. It is for this machine's
    own architecture: what calls by the numbers of another, of x32 or of 32-bit programs, is killed;
    with `everywhere` it is for those too.
    """

    def __init__(
        self, rules: Sequence[Rule], *, error: int = ENOSYS, everywhere: bool = False
    ) -> None:
        self._everywhere = everywhere
        self._library = ctypes.CDLL("libseccomp.so.2")
        self._library.seccomp_init.restype = ctypes.c_void_p
        context = self._library.seccomp_init(ctypes.c_uint32(_action(error)))
        if not context:
            raise OSError(ENOSYS, "libseccomp makes no filter")
        self._context = ctypes.c_void_p(context)
        self._library.seccomp_attr_set(self._context, _ATTRIBUTE_OPTIMIZE, ctypes.c_uint32(2))
        for other in _OTHERS.get(os.uname().machine, ()) if everywhere else ():
            number = self._library.seccomp_arch_resolve_name(other)
            if failed := self._library.seccomp_arch_add(self._context, ctypes.c_uint32(number)):
                _failed(failed, other.decode())
        for rule in rules:
            # The library refuses what says no more than what holds for all that is not named.
            for name in rule.names if rule.error != error else ():
                self._add(name, rule)

    def load(self) -> None:
        """From now on it holds; no_new_privs is set along with it."""
        if error := self._library.seccomp_load(self._context):
            _failed(error, "load")

    def _add(self, name: str, rule: Rule) -> None:
        number = self._library.seccomp_syscall_resolve_name(name.encode())
        if number == _NONE or (number < 0 and not self._everywhere):
            return  # not of this architecture, or newer than the library
        comparisons = [_comparison(argument) for argument in rule.arguments]
        array = (_Comparison * len(comparisons))(*comparisons)
        error = self._library.seccomp_rule_add_array(
            self._context, ctypes.c_uint32(_action(rule.error)), number, len(comparisons), array
        )
        if error:
            _failed(error, name)


def _action(error: int) -> int:
    return _ERRNO | error if error else _ALLOW


def _comparison(argument: Argument) -> _Comparison:
    if argument.other:
        return _Comparison(argument.position, _NOT_EQUAL, argument.value, 0)
    return _Comparison(argument.position, _MASKED_EQUAL, argument.mask, argument.value)


def _failed(error: int, what: str) -> NoReturn:
    raise OSError(-error, f"libseccomp: {os.strerror(-error)}", what)
