"""Files as torch.save and torch.jit.save write them, with the same bytes each time and everywhere.

PyTorch's older form names each storage by its address, and both forms note where the source of a
class is. Here storages are numbered instead, so that their order in the file is the reverse of
their order in the value (addresses have no order either), and sources are named as in the package.
"""

import types
from unittest import mock

from reproducible import torch


def save(value, path, older=False, **options):
    """older: the form of PyTorch before 1.6, still asked for by _use_new_zipfile_serialization."""
    if not older:
        torch.save(value, path, **options)
        return
    numbers = {}

    def name(address):
        return str(9999 - numbers.setdefault(address, len(numbers)))

    def source(cls):
        return [], 0, cls.__module__.replace(".", "/") + ".py"

    written = torch.serialization._legacy_save
    in_this_scope = {
        **vars(torch.serialization),
        "str": name,
        "get_source_lines_and_file": source,
    }
    numbered = types.FunctionType(written.__code__, in_this_scope)
    with mock.patch.object(torch.serialization, "_legacy_save", numbered):
        torch.save(value, path, _use_new_zipfile_serialization=False, **options)


def save_program(module, path):
    """A TorchScript program, of a module with one constant: the order of several is random."""
    read = torch._sources.get_source_lines_and_file

    def source(*arguments):
        lines, number, file = read(*arguments)
        return lines, number, "torch/" + file.rpartition("/torch/")[2]

    with mock.patch.object(torch._sources, "get_source_lines_and_file", source):
        torch.jit.save(torch.jit.script(module), path)
