"""What public copies of attention mechanisms compute, seen by running them:

    python3 scripts/golden/copies.py --code DIR

DIR holds git checkouts, DIR/OWNER/REPOSITORY, at the commits below; none of them is a part of this
repository. timm is the one that pip installed. The script prints a line for each finding. The pages
of docs/mechanisms repeat these findings, with these numbers.
"""

import argparse
import importlib.util
import pathlib
import subprocess
import sys
import warnings

from reproducible import torch

COPIES = {
    "fightingcv": ("xmu-xiaoma666/External-Attention-pytorch", "d75848e", "model/attention"),
    "changzy00": ("changzy00/pytorch-attention", "8ce59da", "attention_mechanisms"),
    "YOLO": ("z1069614715/objectdetection_script", "cb1b621", "cv-attention"),
    "pprp": ("pprp/awesome-attention-mechanism-in-cv", "59997fe", ""),
}


class Copies:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def load(self, copy, file, name):
        repository, commit, inside = COPIES[copy]
        checkout = self.folder / repository
        head = subprocess.run(
            ["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout
        if not head.startswith(commit):
            sys.exit(f"{checkout} is at {head.strip()}, expected {commit}")
        path = checkout / inside / file
        spec = importlib.util.spec_from_file_location("copy_" + copy + path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return getattr(module, name)


def feature_map(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def new(make, *arguments, **named):
    torch.manual_seed(3)
    return make(*arguments, **named).double().eval()


def keys(module):
    return ", ".join(f"{key} {list(value.shape)}" for key, value in module.state_dict().items())


def largest(tensor):
    return f"{tensor.abs().max().item():.2g}"


def double_attention(copies):
    for copy, file in ("fightingcv", "A2Atttention.py"), ("YOLO", "A2Attention.py"):
        module = new(copies.load(copy, file, "DoubleAttention"), 8, 4, 4)
        x = feature_map(3, 8, 5, 6)
        other = x.clone()
        other[1:] *= -2
        change = module(x)[0] - module(other)[0]
        alone = module(x[:1])
        spread = alone.flatten(2).std(2)
        yield "a2", copy, (
            f"other neighbours in the batch change an image's output by up to {largest(change)};"
            f" with one image the output differs by {largest(spread)} between positions"
        )
    module = new(copies.load("changzy00", "double_attention.py", "DoubleAttention"), 8, 4, 4)
    x = feature_map(3, 8, 5, 6)
    change = module(x)[0] - module(x[:1])[0]
    yield "a2", "changzy00", f"without its batch an image's output changes by {largest(change)}"


def efficient_channel(copies):
    module = new(copies.load("fightingcv", "ECAAttention.py", "ECAAttention"))
    yield "eca", "fightingcv", "parameters: " + keys(module)
    for copy, file, name in (
        ("changzy00", "eca.py", "ECALayer"),
        ("YOLO", "ECA.py", "EfficientChannelAttention"),
    ):
        module = new(copies.load(copy, file, name), 4)
        yield "eca", copy, "parameters for 4 channels: " + keys(module)


def cbam(copies):
    module = new(copies.load("fightingcv", "CBAM.py", "CBAMBlock"), 16)
    x = feature_map(2, 16, 6, 7)
    gated = x * module.ca(x)
    gated = gated * module.sa(gated)
    yield "cbam", "fightingcv", (
        f"the output minus s * c * x is x: difference {largest(module(x) - gated - x)};"
        " parameters: " + keys(module.sa)
    )
    module = new(copies.load("YOLO", "CBAM.py", "CBAMBlock"), 16)
    gated = x * module.ca(x)
    gated = gated * module.sa(gated)
    yield "cbam", "YOLO", (
        f"the output is s * c * x: difference {largest(module(x) - gated)};"
        " parameters: " + keys(module.sa)
    )


def bam(copies):
    module = new(copies.load("fightingcv", "BAM.py", "BAMBlock"), 32)
    gate = module.sa(feature_map(1, 32, 7, 7))
    lines = f"on 7 x 7 its spatial gate has {gate[0, 0].unique().numel()} value"
    for side in 8, 9:
        try:
            module(feature_map(1, 32, side, side))
        except RuntimeError as e:
            lines += f"; on {side} x {side} it fails: {str(e).splitlines()[0][:90]}"
    yield "bam", "fightingcv", lines


def dual(copies):
    module = new(copies.load("changzy00", "dual_attention.py", "CAM"))
    with torch.no_grad():
        module.beta.fill_(1)
    x = feature_map(1, 4, 3, 3)
    rows = x.flatten(2)
    energy = rows @ rows.transpose(1, 2)
    plain = (energy.softmax(-1) @ rows).reshape(x.shape) + x
    turned = (energy.amax(-1, keepdim=True) - energy).softmax(-1)
    official = (turned @ rows).reshape(x.shape) + x
    yield "cam", "changzy00", (
        f"the softmax is of E: difference {largest(module(x) - plain)}; to the authors' code"
        f" {largest(module(x) - official)}"
    )
    module = new(copies.load("changzy00", "dual_attention.py", "PAM"), 16)
    yield "pam", "changzy00", "parameters for 16 channels: " + keys(module)


def global_context(copies):
    module = new(copies.load("changzy00", "gc_module.py", "GCModule"), 32)
    x = feature_map(1, 32, 5, 6)
    before = module.context_modeling(x)
    with torch.no_grad():
        module.conv.bias += 1
    change = module.context_modeling(x) - before
    yield "gc", "changzy00", (
        f"adding 1 to the mask's bias, which a softmax ignores, changes the context by up to"
        f" {largest(change)}"
    )
    from timm.layers import GlobalContext

    for name, options in ("gca", dict(fuse_add=True, fuse_scale=False)), ("gc", {}):
        module = new(GlobalContext, 16, **options)
        x = feature_map(2, 16, 5, 6)
        yield "gc", "timm", f"a new {name} differs from its input by up to {largest(module(x) - x)}"


def style(copies):
    module = new(copies.load("changzy00", "srm.py", "SRM"), 4)
    x = torch.ones(2, 4, 3, 3, dtype=torch.float64, requires_grad=True)
    module(x).sum().backward()
    yield "srm", "changzy00", (
        f"for a constant map the gradient has {int(x.grad.isnan().sum())} NaN of {x.numel()};"
        " parameters: " + keys(module)
    )


def coordinate(copies):
    module = new(copies.load("changzy00", "coordatten.py", "CoordinateAttention"), 16, 16)
    x = feature_map(2, 16, 5, 6)
    factor = module(x) / x
    yield "coord", "changzy00", (
        f"its factors lie between {factor.min().item():.2g} and {factor.max().item():.2g}"
    )


def simam(copies):
    for copy, file, name in (
        ("fightingcv", "SimAM.py", "SimAM"),
        ("changzy00", "simam.py", "simam_module"),
        ("YOLO", "SimAM.py", "SimAM"),
    ):
        y = new(copies.load(copy, file, name))(feature_map(2, 4, 1, 1))
        yield "simam", copy, f"for a 1 x 1 map {int(y.isnan().sum())} of {y.numel()} values are NaN"


def triplet(copies):
    module = new(copies.load("changzy00", "triplet_attention.py", "TripletAttention"))
    x = feature_map(2, 8, 6, 7)
    gate = module.hw(x) / x
    yield "triplet", "changzy00", (
        f"its smallest spatial gate is {gate.min().item():.3g}; parameters: " + keys(module.hw)
    )


def groups(copies):
    for copy in "fightingcv", "YOLO":
        module = new(copies.load(copy, "SGE.py", "SpatialGroupEnhance"), 4)
        x = feature_map(2, 8, 5, 6)
        y = module(feature_map(2, 8, 1, 1))
        yield "sge", copy, (
            f"new, its factor is {(module(x) / x).mean().item():.3g}; for a 1 x 1 map"
            f" {int(y.isnan().sum())} of {y.numel()} values are NaN"
        )
        module = new(copies.load(copy, "ShuffleAttention.py", "ShuffleAttention"), 64)
        yield "shuffle", copy, "parameters for 64 channels: " + keys(module)
    module = new(copies.load("YOLO", "EMA.py", "EMA"), 64)
    yield "ema", "YOLO", "parameters for 64 channels: " + keys(module)


def gather_excite(copies):
    from timm.layers import GatherExcite

    for options in {}, dict(extra_params=True, extent=2, use_mlp=False):
        try:
            GatherExcite(32, **options)
            outcome = "is built"
        except TypeError as e:
            outcome = f"TypeError: {e}"
        yield "ge", "timm", f"GatherExcite(32, {options}): {outcome}"


def local(copies):
    module = new(copies.load("YOLO", "ELA.py", "ELA"), 16)
    yield "ela", "YOLO", "parameters for 16 channels: " + keys(module)
    import timm.layers.coord_attn as timm_coord

    module = new(timm_coord.EfficientLocalAttn, 16)
    yield "ela", "timm", "parameters for 16 channels: " + keys(module)
    module = new(timm_coord.CoordAttn, 32)
    yield "coord", "timm", "parameters for 32 channels: " + keys(module)


def global_attention(copies):
    module = new(copies.load("YOLO", "GAM.py", "GAM_Attention"), 16)
    x = feature_map(2, 16, 5, 6)
    rows = module.channel_attention(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
    gated = x * rows.sigmoid()
    expected = gated * module.spatial_attention(gated).sigmoid()
    difference = largest(module(x) - expected)
    yield "gam", "YOLO", f"its channel branch has a sigmoid: difference {difference}"


def self_attention(copies):
    module = new(copies.load("YOLO", "MHSA.py", "MHSA"), 16)
    yield "mhsa", "YOLO", "parameters for 16 channels: " + keys(module)


def anchor(copies):
    module = new(copies.load("YOLO", "CAA.py", "CAA"), 8)
    yield "caa", "YOLO", (
        f"batch norms: epsilon {module.conv1.bn.eps}, momentum {module.conv1.bn.momentum};"
        " parameters: " + ", ".join(key for key in module.state_dict() if "conv.weight" in key
                                     or key.endswith("h_conv.weight"))
    )


def selective(copies):
    for copy, file, name, *widths in (
        ("fightingcv", "SKAttention.py", "SKAttention", 32),
        ("YOLO", "SK.py", "SKAttention", 32),
        ("changzy00", "sk_module.py", "SKLayer", 32, 32),
    ):
        module = new(copies.load(copy, file, name), *widths)
        yield "sk", copy, "parameters for 32 channels: " + keys(module)


def external(copies):
    module = new(copies.load("fightingcv", "ExternalAttention.py", "ExternalAttention"), 16, 8)
    yield "external", "fightingcv", "parameters for 16 channels and 8 units: " + keys(module)


def polarized(copies):
    for copy in "fightingcv", "YOLO":
        module = new(
            copies.load(copy, "PolarizedSelfAttention.py", "ParallelPolarizedSelfAttention"), 8
        )
        x = feature_map(2, 8, 5, 6)
        b, c, h, w = x.shape
        query = module.sp_wq(x).mean((2, 3)).unsqueeze(1)
        values = module.sp_wv(x).flatten(2)
        over_channels = (query.softmax(2) @ values).reshape(b, 1, h, w).sigmoid() * x
        over_positions = (query @ values).softmax(2).reshape(b, 1, h, w).sigmoid() * x
        weights = module.ch_wq(x).flatten(1).softmax(1)
        described = torch.einsum("bcn,bn->bc", module.ch_wv(x).flatten(2), weights)
        described = module.ch_wz(described[:, :, None, None]).flatten(1)
        gated = module.ln(described).sigmoid()[:, :, None, None] * x
        yield "polarized", copy, (
            f"the spatial softmax is over channels: difference {largest(module(x) - gated - over_channels)},"
            f" to one over positions {largest(module(x) - gated - over_positions)};"
            " parameters for 8 channels: " + keys(module)
        )


def squeeze_space(copies):
    module = new(copies.load("pprp", "AttentionModule/scSE/scSE.py", "csSE"), 8)
    x = feature_map(2, 8, 5, 6)
    squeezed = module.cSE.Conv_Squeeze(x.mean((2, 3), keepdim=True))
    channels = module.cSE.Conv_Excitation(squeezed).sigmoid() * x
    positions = module.sSE.Conv1x1(x).sigmoid() * x
    yield "scse", "pprp", (
        f"a sum without a ReLU between the layers: difference {largest(module(x) - channels - positions)};"
        " parameters for 8 channels: " + keys(module)
    )


def splits(copies):
    from timm.layers import SplitAttn

    theirs = copies.load("pprp", "AttentionModule/ResNeSt/SplitAttention.py", "SplAtConv2d")
    for channels in 32, 88:
        ours = new(SplitAttn, channels, norm_layer=torch.nn.BatchNorm2d)
        other = new(
            theirs, channels, channels, 3, padding=1, bias=False, norm_layer=torch.nn.BatchNorm2d
        )
        yield "splat", "timm", (
            f"for {channels} channels fc1 has {ours.fc1.weight.shape[0]} outputs, pprp's (the"
            f" authors' text) {other.fc1.weight.shape[0]}"
        )
    with torch.no_grad():
        ours = new(SplitAttn, 32, norm_layer=torch.nn.BatchNorm2d)
        other = new(theirs, 32, 32, 3, padding=1, bias=False, norm_layer=torch.nn.BatchNorm2d)
        other.load_state_dict(ours.state_dict())
        x = feature_map(2, 32, 5, 6)
        yield "splat", "timm", f"on the same weights it differs from pprp's by {largest(ours(x) - other(x))}"


def crisscross(copies):
    module = new(copies.load("fightingcv", "CrissCrossAttention.py", "CrissCrossAttention"), 16)
    yield "crisscross", "fightingcv", "parameters for 16 channels: " + keys(module)
    try:
        copies.load("pprp", "AttentionModule/CCNet/ccnet.py", "CrissCrossAttention")(16)(
            torch.zeros(1, 16, 5, 6)
        )
        outcome = "runs"
    except Exception as e:
        outcome = f"{type(e).__name__}: {str(e).splitlines()[0][:80]}"
    yield "crisscross", "pprp", f"on a processor: {outcome}"


def local_channels(copies):
    module = new(copies.load("YOLO", "MLCA.py", "MLCA"), 4)
    yield "mlca", "YOLO", "parameters for 4 channels: " + keys(module)


def responses(copies):
    from timm.layers.grn import GlobalResponseNorm

    module = new(GlobalResponseNorm, 8)
    with torch.no_grad():
        module.weight.add_(0.5)
        module.bias.add_(-0.25)
    x = feature_map(2, 5, 6, 8)  # channels last
    norms = x.pow(2).sum((1, 2), keepdim=True).sqrt()
    expected = x + module.weight * x * norms / (norms.mean(3, keepdim=True) + 1e-6) + module.bias
    yield "grn", "timm", (
        f"the same equation: difference {largest(module(x) - expected)}; parameters: " + keys(module)
    )


def kernels(copies):
    module = new(copies.load("YOLO", "LSKBlock.py", "LSKblock"), 8)
    yield "lsk", "YOLO", "parameters for 8 channels: " + keys(module)
    module = new(copies.load("YOLO", "CPCA.py", "CPCA"), 8)
    yield "cpca", "YOLO", "parameters for 8 channels: " + keys(module)


def effective(copies):
    from timm.layers import EffectiveSEModule

    gate = torch.nn.Hardsigmoid()
    x = torch.tensor([0.5], dtype=torch.float64, requires_grad=True)
    gate(x).backward()
    yield "ese", "timm", (
        f"{EffectiveSEModule.__name__} has a hard sigmoid whose slope is 1/6 +"
        f" {x.grad.item() - 1 / 6:.2g} in float64"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--code", required=True, help="the folder of the checkouts")
    copies = Copies(parser.parse_args().code)
    warnings.simplefilter("ignore")
    for findings in (
        double_attention,
        efficient_channel,
        cbam,
        bam,
        dual,
        global_context,
        style,
        coordinate,
        simam,
        triplet,
        groups,
        gather_excite,
        local,
        global_attention,
        self_attention,
        anchor,
        selective,
        external,
        polarized,
        squeeze_space,
        splits,
        crisscross,
        local_channels,
        responses,
        kernels,
        effective,
    ):
        try:
            for mechanism, copy, finding in findings(copies):
                print(f"{mechanism:9} {copy:11} {finding}")
        except Exception as e:
            print(f"{findings.__name__}: {type(e).__name__}: {e}", file=sys.stderr)


if __name__ == "__main__":
    main()
