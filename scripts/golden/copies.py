"""What public copies of attention mechanisms compute, seen by running them:

    python3 scripts/golden/copies.py --code DIR

DIR holds git checkouts, DIR/OWNER/REPOSITORY, at the commits below; none of them is a part of this
repository. timm is the one that pip installed. The script prints a line for each finding. The pages
of docs/mechanisms repeat these findings, with these numbers.
"""

import argparse
import ast
import contextlib
import importlib.util
import io
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
    "AIFengheshu": ("AIFengheshu/Plug-play-modules", "2f933bc", ""),
    "hongyuanyu": ("hongyuanyu/awesome-visual-attention", "bf73239", "codes"),
    "mmpretrain": ("open-mmlab/mmpretrain", "ee7f2e8", "mmpretrain/models/backbones"),
    "BayesWatch": ("BayesWatch/pytorch-GENet", "3fbf99f", "models"),
    # the authors' own code, to compare with
    "FcaNet": ("cfzd/FcaNet", "aa5fb63", "model"),
    "SPNet": ("houqb/SPNet", "5e97da3", "models"),
    "VAN": ("Visual-Attention-Network/VAN-Classification", "e19779b", "models"),
    "DNL": ("yinmh17/DNL-Semantic-Segmentation", "594a359", "model/seg/ops"),
}


class Copies:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)

    def load(self, copy, file, name):
        path = self.path(copy, file)
        spec = importlib.util.spec_from_file_location("copy_" + copy + path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return getattr(module, name)

    def only(self, copy, file, name, **names):
        """A class alone, of a file that imports what is not installed; names are what it needs."""
        tree = ast.parse(self.path(copy, file).read_text())
        tree.body = [node for node in tree.body if getattr(node, "name", None) == name]
        names |= {"torch": torch, "nn": torch.nn, "F": torch.nn.functional}
        exec(compile(tree, file, "exec"), names)
        return names[name]

    def path(self, copy, file):
        repository, commit, inside = COPIES[copy]
        checkout = self.folder / repository
        head = subprocess.run(
            ["git", "-C", checkout, "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        ).stdout
        if not head.startswith(commit):
            sys.exit(f"{checkout} is at {head.strip()}, expected {commit}")
        return checkout / inside / file


def feature_map(*shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(7), dtype=torch.float64)


def new(make, *arguments, **named):
    torch.manual_seed(3)
    return make(*arguments, **named).double().eval()


def keys(module):
    return ", ".join(f"{key} {list(value.shape)}" for key, value in module.state_dict().items())


def filled(module):
    """Other weights than the initial ones, which hide differences: zeros, or batch norms that do nothing."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for name, tensor in module.state_dict().items():
            if tensor.is_floating_point() and "dct_layer" not in name:
                values = 0.3 * torch.randn(tensor.shape, generator=generator, dtype=tensor.dtype)
                tensor.copy_(values.abs() + 0.5 if name.endswith("running_var") else values)
    return module


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
    module = filled(new(copies.load("changzy00", "srm.py", "SRM"), 8))
    noise = feature_map(3, 8, 5, 6)
    noise = (noise - noise.mean((2, 3), keepdim=True)) / noise.std((2, 3), keepdim=True)
    for deviation in 1, 0.1, 0.01, 0.001:
        x = 1 + deviation * noise
        with torch.no_grad():
            described = torch.stack([x.mean((2, 3)), (x.var((2, 3)) + 1e-5).sqrt()], 2)
            z = module.bn((described * module.cfc.weight[:, 0]).sum(2))
            authors = x * z.sigmoid()[:, :, None, None]
            change = module(x) - authors
        yield "srm", "changzy00", (
            f"for maps of mean 1 and deviation {deviation} its result differs from the authors'"
            f" equation by up to {largest(change)}"
        )


def frequencies(copies):
    theirs = copies.load("FcaNet", "layer.py", "MultiSpectralAttentionLayer")
    other = copies.load("AIFengheshu", "MSCA.py", "MultiSpectralAttentionLayer")
    x = feature_map(2, 32, 9, 11)
    for size in 7, 14:
        for chosen in "top16", "low8", "bot32":
            authors = filled(new(theirs, 32, size, size, freq_sel_method=chosen))
            copy = filled(new(other, 32, size, size, freq_sel_method=chosen))
            yield "fca", "AIFengheshu", (
                f"size {size}, {chosen}: difference {largest(copy(x) - authors(x))}, of the cosines"
                f" {largest(copy.dct_layer.weight - authors.dct_layer.weight)}"
            )
    layer = copies.load("hongyuanyu", "fcanet.py", "FcaLayer")
    try:
        layer(64)
    except TypeError as e:
        yield "fca", "hongyuanyu", f"FcaLayer(64): TypeError: {e}"
    module = layer.__new__(layer)
    torch.nn.Module.__init__(module)
    module.register_buffer("precomputed_dct_weights", torch.ones(1, 32, 9, 11))
    try:
        module(x)
    except AttributeError as e:
        yield "fca", "hongyuanyu", f"forward: AttributeError: {e}"


def large_kernel(copies):
    class BaseModule(torch.nn.Module):
        def __init__(self, init_cfg=None):
            super().__init__()

    authors = filled(new(copies.only("VAN", "van.py", "LKA"), 8))
    other = copies.only("mmpretrain", "van.py", "LKA", BaseModule=BaseModule, Conv2d=torch.nn.Conv2d)
    copy = filled(new(other, 8))
    copy.load_state_dict(dict(zip(copy.state_dict(), authors.state_dict().values())))
    x = feature_map(2, 8, 9, 11)
    yield "lka", "mmpretrain", (
        f"on the same weights: difference {largest(copy(x) - authors(x))}; parameters: " + keys(copy)
    )


def strips(copies):
    options = 32, (5, 3), torch.nn.BatchNorm2d, {"mode": "bilinear", "align_corners": True}
    authors = filled(new(copies.only("SPNet", "customize.py", "StripPooling"), *options))
    x = feature_map(2, 32, 9, 11)
    for copy, file in (
        ("pprp", "Plug-and-Play-Module/StripPooling.py"),
        (
            "AIFengheshu",
            "7. Down & Up\N{FULLWIDTH LEFT PARENTHESIS}\u6c60\u5316\u6216\u4e0a\u4e0b\u91c7\u6837"
            "\N{FULLWIDTH RIGHT PARENTHESIS}/(CVPR 2020) strip_pooling.py",
        ),
    ):
        module = new(copies.only(copy, file, "StripPooling"), *options)
        module.load_state_dict(authors.state_dict())
        yield "strip", copy, (
            f"StripPooling, the module for heads: difference {largest(module(x) - authors(x))};"
            " layers: " + ", ".join(name for name, _ in module.named_children() if "conv" in name)
        )


def disentangled(copies):
    make = copies.load("DNL", "nonlocal_block.py", "NonLocal2d_bn")

    def block(**options):
        with contextlib.redirect_stdout(io.StringIO()):  # the class prints
            return filled(
                new(make, 32, 16, downsample=False, temperature=0.05, with_gc=True, **options)
            )

    x = feature_map(2, 32, 5, 6)
    authors = block()
    for options in (
        dict(whiten_type=[]),
        dict(whiten_type=["ln_nostd"]),
        dict(whiten_type=["spatial"]),
        dict(with_unary=True),
    ):
        other = block(**options)
        other.load_state_dict(authors.state_dict())
        yield "dnl", "DNL", (
            f"{options} has the same names and differs from whiten_type=['channel'] by up to"
            f" {largest(other(x) - authors(x))}; the largest value is {largest(authors(x))}"
        )
    for options in dict(use_out=True), dict(out_bn=True), dict(whiten_type=["bn"]):
        names = block(**options).state_dict().keys() - authors.state_dict().keys()
        yield "dnl", "DNL", f"{options} has, beside, " + ", ".join(sorted(names))


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
    block = copies.load("BayesWatch", "blocks.py", "GEBlock")
    x = feature_map(2, 32, 16, 16)
    functional = torch.nn.functional
    for extent in 2, 4, 8:
        module = filled(new(block, 32, 32, 1, 16, extent=extent, mlp=False))
        convolutions = [module.downop] if extent == 2 else list(module.downop)
        expected = x
        for i, each in enumerate(convolutions):
            if i > 0:
                expected = expected.relu()
            weight = each.dwconv.weight
            expected = functional.conv2d(expected, weight, stride=2, padding=1, groups=32)
            expected = each.bn(expected)
        module.eval()
        pooled = functional.adaptive_avg_pool2d(x, 16 // extent)
        overlapping = functional.avg_pool2d(
            x, 2 * extent - 1, extent, extent - 1, count_include_pad=False
        )
        yield "ge", "BayesWatch", (
            f"extent {extent}: with parameters what is gathered is the paper's: difference"
            f" {largest(module.downop(x) - expected)}; without, what it averages differs by up to"
            f" {largest(pooled - overlapping)}"
        )
    module = new(block, 32, 32, 1, 16, extent=0, extra_params=False)
    yield "ge", "BayesWatch", "its MLP for 32 channels: " + keys(module.mlp)


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
        frequencies,
        large_kernel,
        strips,
        disentangled,
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
