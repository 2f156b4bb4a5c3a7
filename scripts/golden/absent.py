"""Stands for modules that a package imports and the networks of a script do not use."""

import sys
import types


class Absent(types.ModuleType):
    """In place of a module that is not installed: each of its names is a function without effect."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return lambda *values, **named: None


def absent(*names):
    """Lets these modules be imported: compiled operators that mmcv-lite does not have, for example."""
    for name in names:
        sys.modules[name] = Absent(name)
