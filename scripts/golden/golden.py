"""Golden files: what a module of PyTorch computes in float64, from a state and an input that a seed
makes.

    input            the feature map, [B, C, ...]
    state/KEY        the state dict before the forward pass
    cotangent        the gradient given to the output: the loss is sum(output * cotangent)
    output.train     the output in training mode
    grad.input       the loss's gradient by the input, in training mode
    grad/KEY         the loss's gradient by each parameter, in training mode
    state_after/KEY  the buffers after that forward pass (running statistics of batch norms)
    output.eval      the output in evaluation mode, with the buffers of state_after

The metadata of a file say which class made it, from which arguments of its constructor ("config",
JSON), where its code is, and which version of PyTorch ran it.
"""

import argparse
import ast
import importlib
import importlib.machinery
import importlib.metadata
import importlib.util
import json
import pathlib
import subprocess
import sys
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from reproducible import made_with, torch

import safetensors_file
from absent import Absent

TOLERANCE = 1e-10  # relative, of two implementations of one equation in float64


@dataclass(frozen=True)
class Source:
    """A class of other people's code: in a package of PyPI, or in a checkout below --code."""

    where: str  # a package's name, or OWNER/REPOSITORY on GitHub
    version: str  # of the package, or the whole name of the commit
    file: str
    name: str = ""
    defines: dict = field(default_factory=dict)  # globals that the file uses and never sets
    absent: tuple = ()  # modules that the file imports and the class does not need
    adapted: Callable = None  # makes a class with the interface of the others from the file's
    alone: tuple = ()  # run only these definitions, because the file imports more than they need

    def named(self, name):
        return replace(self, name=name)

    def of(self, file):
        return replace(self, file=file)

    def only(self, *definitions):
        return replace(self, alone=definitions)

    def checked_out(self):
        return "/" in self.where

    def __str__(self):
        if self.checked_out():
            return f"https://github.com/{self.where}/blob/{self.version}/{self.file}"
        return f"{self.where} {self.version}, {self.file}"


@dataclass(frozen=True, init=False)
class Entry:
    """An entry of a table: a class and its files."""

    module: type | Source
    same: Source | None  # public code that computes the same from the same state dict
    lines: tuple  # name, config, shape, seed, and the config of `same` where it differs

    def __init__(self, module, same, *lines):
        object.__setattr__(self, "module", module)
        object.__setattr__(self, "same", same)
        object.__setattr__(self, "lines", lines)


class Code:
    """Loads the classes of Sources; `folder` is that of --code, or None."""

    def __init__(self, folder):
        self.folder = None if folder is None else pathlib.Path(folder)

    def has(self, source):
        return self.folder is not None or not source.checked_out()

    def load(self, source):
        module = self.from_checkout(source) if source.checked_out() else self.from_package(source)
        for name, value in source.defines.items():
            setattr(module, name, value)
        found = getattr(module, source.name)
        return found if source.adapted is None else source.adapted(found)

    @staticmethod
    def from_package(source):
        version = importlib.metadata.version(source.where)
        if version != source.version:
            sys.exit(f"{source.where} {version} is installed, and the table says {source.version}")
        return importlib.import_module(source.file.removesuffix(".py").replace("/", "."))

    def from_checkout(self, source):
        checkout = self.folder / source.where
        head = subprocess.run(
            ["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True
        ).stdout.strip()
        if head != source.version:
            sys.exit(
                f"{checkout} is at {head or 'no commit'}, and the table says {source.version}:"
                f"\n  git clone https://github.com/{source.where} {checkout}"
                f"\n  git -C {checkout} checkout {source.version}"
            )
        return (self.extract if source.alone else self.import_file)(source, checkout)

    @staticmethod
    def extract(source, checkout):
        """Some definitions of the file, without its imports."""
        tree = ast.parse((checkout / source.file).read_text())
        tree.body = [node for node in tree.body if getattr(node, "name", None) in source.alone]
        module = types.ModuleType(pathlib.PurePath(source.file).stem)
        names = dict(torch=torch, nn=torch.nn, F=torch.nn.functional, Optional=typing.Optional)
        vars(module).update(names | source.defines)
        exec(compile(tree, source.file, "exec"), vars(module))
        return module

    @staticmethod
    def import_file(source, checkout):
        """The file as a module, with its imports; without running any __init__.py above it."""
        *folders, stem = pathlib.PurePath(source.file).with_suffix("").parts
        name = source.where.replace("/", "_").replace(".", "_")
        folder = checkout
        for deeper in [*folders, None]:
            package = sys.modules.setdefault(name, types.ModuleType(name))
            package.__path__ = [str(folder)]
            if deeper is not None:
                name = f"{name}.{deeper}"
                folder = folder / deeper
        sys.path[:0] = [str(folder), str(checkout)]  # some files import their neighbours by name
        before = {absent: sys.modules.get(absent) for absent in source.absent}
        sys.modules.update({absent: Absent(absent) for absent in source.absent})
        try:
            path = folder / pathlib.PurePath(source.file).name
            loader = importlib.machinery.SourceFileLoader(f"{name}.{stem}", str(path))
            spec = importlib.util.spec_from_loader(loader.name, loader)
            module = sys.modules[loader.name] = importlib.util.module_from_spec(spec)
            loader.exec_module(module)
            return module
        finally:
            del sys.path[:2]
            for absent, module in before.items():
                if module is None:
                    del sys.modules[absent]
                else:
                    sys.modules[absent] = module


def fill(module):
    """Random values for parameters and running statistics: no zero or one hides a term."""
    for parameter in module.parameters():
        matrix = parameter.dim() > 1
        fan_in = parameter[0].numel() if matrix else 1
        values = torch.randn_like(parameter) * (0.5 / fan_in**0.5)
        parameter.copy_(values if matrix else values + 0.1)
    for name, buffer in module.named_buffers():
        if name.endswith("running_mean"):
            buffer.copy_(torch.randn_like(buffer) * 0.1)
        elif name.endswith("running_var"):
            buffer.copy_(torch.rand_like(buffer) + 0.5)


def run(module, x, cotangent_like):
    """Both modes' outputs, the gradients, and the buffers after the pass in training mode."""
    x = x.clone().requires_grad_(True)
    module.train()
    y = module(x)
    cotangent = cotangent_like(y)
    (y * cotangent).sum().backward()
    found = {"cotangent": cotangent, "output.train": y, "grad.input": x.grad}
    found |= behind("grad/", {key: p.grad for key, p in module.named_parameters()})
    found |= behind("state_after/", {key: b.clone() for key, b in module.named_buffers()})
    module.eval()
    with torch.no_grad():
        found["output.eval"] = module(x.detach())
    return {key: tensor.detach() for key, tensor in found.items()}


def behind(prefix, tensors):
    return {prefix + key: tensor for key, tensor in tensors.items()}


def tensors_of(make, config, shape, seed):
    """What the file holds, by name, in the file's order."""
    torch.manual_seed(seed)
    module = make(**config).double()
    with torch.no_grad():
        fill(module)
    x = torch.randn(*shape, dtype=torch.float64)
    state = {key: value.clone() for key, value in module.state_dict().items()}
    return {"input": x, **behind("state/", state), **run(module, x, torch.randn_like)}


def difference(module, tensors):
    """The largest difference of another implementation on the same state and input.

    It is relative to the largest value of each tensor. A gradient that is zero but for rounding (of
    a bias in front of a batch norm or a softmax) is measured by the largest gradient of all.
    """
    prefix = "state/"
    module.load_state_dict(
        {key.removeprefix(prefix): t for key, t in tensors.items() if key.startswith(prefix)}
    )
    computed = run(module, tensors["input"], lambda y: tensors["cotangent"])
    largest = {key: tensor.abs().max().item() for key, tensor in computed.items()}
    largest_gradient = max(value for key, value in largest.items() if key.startswith("grad"))
    found = 0.0
    for key, tensor in computed.items():
        scale = largest[key]
        if key.startswith("grad/") and scale < 1e-12 * largest_gradient:
            scale = largest_gradient
        found = max(found, (tensor - tensors[key]).abs().max().item() / max(scale, 1e-300))
    return found


def write(entry, line, folder, code):
    name, config, shape, seed, *same_config = line
    ours = not isinstance(entry.module, Source)
    make = entry.module if ours else code.load(entry.module)
    tensors = tensors_of(make, config, shape, seed)
    metadata = {
        "module": make.__name__,
        "config": json.dumps(config),
        "source": f"scripts/golden/{make.__module__}.py" if ours else str(entry.module),
        "made_with": made_with(torch),
    }
    safetensors_file.write(pathlib.Path(folder) / f"{name}.safetensors", tensors, metadata)
    print(f"{name}: {make.__name__}({', '.join(f'{k}={v}' for k, v in config.items())})")
    if entry.same is not None and code.has(entry.same):
        same = code.load(entry.same)(**(same_config[0] if same_config else config)).double()
        found = difference(same, tensors)
        print(f"    {entry.same} differs by at most {found:.1e}")
        if not found < TOLERANCE:
            sys.exit(f"{name}: that is not the same equation")


def main(description, table):
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", metavar="OUT", help="the folder to write to")
    parser.add_argument("names", metavar="NAME", nargs="*", help="files to write (default: all)")
    parser.add_argument("--code", metavar="DIR", help="where the checkouts are")
    options = parser.parse_args()
    names = {line[0] for entry in table for line in entry.lines}
    unknown = set(options.names) - names
    if unknown:
        parser.error(f"not in the table: {', '.join(sorted(unknown))}")
    code = Code(options.code)
    for entry in table:
        for line in entry.lines:
            if options.names and line[0] not in options.names:
                continue
            if isinstance(entry.module, Source) and not code.has(entry.module):
                print(f"{line[0]}: left out, as it needs --code for {entry.module}")
            else:
                write(entry, line, options.out, code)
