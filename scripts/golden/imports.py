"""Networks of other people's layouts at small widths, for ImportTest: NAME.pt (half precision, as
torch.save writes them) and NAME.sample.safetensors (input, output, layers).

    python3 scripts/golden/imports.py models/src/test/resources/imports

The attention modules have the structure, the names and the order of computing of the public
repositories named below; the residual networks around them have torchvision's names.
"""

import pathlib
import sys

from reproducible import torch

import torch.nn.functional as F
from timm.layers import EcaModule, GlobalContext, SEModule
from timm.layers.cbam import CbamModule
from torch import nn
from torchvision.models import mobilenetv3
from torchvision.models.googlenet import BasicConv2d, Inception

import pytorch_files
import reference
import safetensors_file

folder = pathlib.Path(sys.argv[1])


class Flatten(nn.Module):
    def forward(self, x):
        return x.flatten(1)


class OfficialCbam(nn.Module):
    """https://github.com/Jongchan/attention-module, MODELS/cbam.py."""

    class Channel(nn.Module):
        def __init__(self, channels, reduction):
            super().__init__()
            hidden = channels // reduction
            self.mlp = nn.Sequential(
                Flatten(), nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
            )

        def forward(self, x):
            gates = self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))
            return x * gates.sigmoid()[:, :, None, None]

    class Spatial(nn.Module):
        class BasicConv(nn.Module):
            def __init__(self):
                super().__init__()
                self.conv = nn.Conv2d(2, 1, 7, padding=3, bias=False)
                self.bn = nn.BatchNorm2d(1, eps=1e-5, momentum=0.01)

            def forward(self, x):
                return self.bn(self.conv(x))

        def __init__(self):
            super().__init__()
            self.spatial = self.BasicConv()

        def forward(self, x):
            pooled = torch.cat((x.max(1)[0].unsqueeze(1), x.mean(1).unsqueeze(1)), dim=1)
            return x * self.spatial(pooled).sigmoid()

    def __init__(self, channels, reduction):
        super().__init__()
        self.ChannelGate = self.Channel(channels, reduction)
        self.SpatialGate = self.Spatial()

    def forward(self, x):
        return self.SpatialGate(self.ChannelGate(x))


class PlainCbam(nn.Module):
    """https://github.com/luuuyi/CBAM.PyTorch, model/resnet_cbam.py: the mean first, no batch norm."""

    class Channel(nn.Module):
        def __init__(self, channels):
            super().__init__()
            self.fc = nn.Sequential(
                nn.Conv2d(channels, channels // 4, 1, bias=False),
                nn.ReLU(),
                nn.Conv2d(channels // 4, channels, 1, bias=False),
            )

        def forward(self, x):
            gates = self.fc(F.adaptive_avg_pool2d(x, 1)) + self.fc(F.adaptive_max_pool2d(x, 1))
            return x * gates.sigmoid()

    class Spatial(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv1 = nn.Conv2d(2, 1, 7, padding=3, bias=False)

        def forward(self, x):
            pooled = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]), dim=1)
            return x * self.conv1(pooled).sigmoid()

    def __init__(self, channels):
        super().__init__()
        self.ca = self.Channel(channels)
        self.sa = self.Spatial()

    def forward(self, x):
        return self.sa(self.ca(x))


class MmSqueeze(nn.Module):
    """mmpretrain's SELayer: two convolution modules, with the names of mmcv."""

    def __init__(self, channels):
        super().__init__()
        self.conv1 = nn.Sequential()
        self.conv1.add_module("conv", nn.Conv2d(channels, channels // 4, 1))
        self.conv2 = nn.Sequential()
        self.conv2.add_module("conv", nn.Conv2d(channels // 4, channels, 1))

    def forward(self, x):
        return x * self.conv2(self.conv1(x.mean((2, 3), keepdim=True)).relu()).sigmoid()


class TokenMemory(nn.Module):
    """fightingcv's ExternalAttention, on the positions of a map."""

    def __init__(self, channels):
        super().__init__()
        self.mk = nn.Linear(channels, 8, bias=False)
        self.mv = nn.Linear(8, channels, bias=False)

    def forward(self, x):
        attention = self.mk(x.flatten(2).transpose(1, 2)).softmax(1)
        attention = attention / attention.sum(2, keepdim=True)
        return self.mv(attention).transpose(1, 2).reshape(x.shape)


class DoubleAttention(nn.Module):
    """https://github.com/nguyenvo09/Double-Attention-Network."""

    def __init__(self, channels):
        super().__init__()
        inner = channels // 4
        self.convA = nn.Conv2d(channels, inner, 1)
        self.convB = nn.Conv2d(channels, inner, 1)
        self.convV = nn.Conv2d(channels, inner, 1)
        self.conv_reconstruct = nn.Conv2d(inner, channels, 1)

    def forward(self, x):
        gathered = self.convA(x).flatten(2) @ self.convB(x).flatten(2).softmax(-1).transpose(1, 2)
        given = gathered @ self.convV(x).flatten(2).softmax(1)
        return self.conv_reconstruct(given.reshape(*given.shape[:2], *x.shape[2:]))


class Block(nn.Module):
    """torchvision's BasicBlock with a module in front of the addition."""

    def __init__(self, inner, out, stride, name, attention):
        super().__init__()
        self.conv1 = nn.Conv2d(inner, out, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out)
        self.conv2 = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out)
        self.name = name
        if attention:
            setattr(self, name, attention(out))
        self.downsample = None
        if stride != 1 or inner != out:
            self.downsample = nn.Sequential(
                nn.Conv2d(inner, out, 1, stride, bias=False), nn.BatchNorm2d(out)
            )

    def forward(self, x):
        y = self.bn2(self.conv2(self.bn1(self.conv1(x)).relu()))
        if self.name:
            y = getattr(self, self.name)(y)
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class SmallResNet18(nn.Module):
    """torchvision's resnet18 at a sixteenth of its width, with attention in it."""

    def __init__(self, name="", attention=None, behind=None, module=None):
        super().__init__()
        self.behind = behind or {}
        self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        for stage in range(1, 5):
            width = 4 << (stage - 1)
            inner = 4 if stage == 1 else width // 2
            stride = 1 if stage == 1 else 2
            blocks = nn.Sequential(
                Block(inner, width, stride, name, attention),
                Block(width, width, 1, name, attention),
            )
            setattr(self, "layer%d" % stage, blocks)
            if stage in self.behind:
                setattr(self, self.behind[stage], module(width))
        self.fc = nn.Linear(32, 5)

    def forward(self, x):
        x = F.max_pool2d(self.bn1(self.conv1(x)).relu(), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, "layer%d" % stage)(x)
            if stage in self.behind:
                x = getattr(self, self.behind[stage])(x)
        return self.fc(x.mean((2, 3)))


def narrow_mobilenet():
    settings, last = mobilenetv3._mobilenet_v3_conf("mobilenet_v3_small", width_mult=0.125)
    return mobilenetv3.MobileNetV3(settings, last, num_classes=5)


class NarrowGoogLeNet(nn.Module):
    """torchvision's GoogLeNet at a sixteenth of its width, made of its parts."""

    MODULES = {
        "3a": (64, 96, 128, 16, 32, 32),
        "3b": (128, 128, 192, 32, 96, 64),
        "4a": (192, 96, 208, 16, 48, 64),
        "4b": (160, 112, 224, 24, 64, 64),
        "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64),
        "4e": (256, 160, 320, 32, 128, 128),
        "5a": (256, 160, 320, 32, 128, 128),
        "5b": (384, 192, 384, 48, 128, 128),
    }

    def __init__(self):
        super().__init__()
        self.conv1 = BasicConv2d(3, 4, kernel_size=7, stride=2, padding=3)
        self.conv2 = BasicConv2d(4, 4, kernel_size=1)
        self.conv3 = BasicConv2d(4, 12, kernel_size=3, padding=1)
        channels = 12
        for name, widths in self.MODULES.items():
            narrow = [int(width / 16 + 0.5) for width in widths]
            setattr(self, "inception" + name, Inception(channels, *narrow))
            channels = narrow[0] + narrow[2] + narrow[4] + narrow[5]
        self.aux1 = nn.Linear(3, 2)
        self.aux2 = nn.Linear(3, 2)
        self.fc = nn.Linear(channels, 5)

    def forward(self, x):
        x = F.max_pool2d(self.conv1(x), 3, 2, ceil_mode=True)
        x = F.max_pool2d(self.conv3(self.conv2(x)), 3, 2, ceil_mode=True)
        for name in self.MODULES:
            x = getattr(self, "inception" + name)(x)
            if name == "3b":
                x = F.max_pool2d(x, 3, 2, ceil_mode=True)
            if name == "4e":
                x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        return self.fc(x.mean((2, 3)))


NETWORKS = {
    "resnet": SmallResNet18,
    "official-cbam": lambda: SmallResNet18("cbam", lambda c: OfficialCbam(c, 4)),
    "official-bam": lambda: SmallResNet18(
        behind={1: "bam1", 2: "bam2", 3: "bam3"}, module=lambda c: reference.BAM(c, 4)
    ),
    "timm-seresnet": lambda: SmallResNet18("se", lambda c: SEModule(c, rd_ratio=1 / 4)),
    "timm-ecaresnet": lambda: SmallResNet18("se", EcaModule),
    # https://github.com/moskomule/senet.pytorch, senet/se_module.py
    "se-resnet": lambda: SmallResNet18("se", lambda c: reference.SELayer(c, 4)),
    # https://github.com/AlexHex7/Non-local_pytorch: embedded Gaussian, with pooling and batch norm
    "non-local": lambda: SmallResNet18(
        behind={2: "nl_2", 3: "nl_3"},
        module=lambda c: reference._NonLocalBlockND(c, dimension=2),
    ),
    "timm-cbam": lambda: SmallResNet18("se", lambda c: CbamModule(c, rd_ratio=1 / 4)),
    "timm-gc": lambda: SmallResNet18("se", lambda c: GlobalContext(c, rd_ratio=1 / 4, rd_divisor=1)),
    "luuuyi": lambda: SmallResNet18("cbam", PlainCbam),
    "mmpretrain": lambda: SmallResNet18("se_layer", MmSqueeze),
    "transformers": SmallResNet18,
    "fightingcv": lambda: SmallResNet18(behind={2: "ea2", 3: "ea3"}, module=TokenMemory),
    "a2": lambda: SmallResNet18(behind={2: "a2_2", 3: "a2_3"}, module=DoubleAttention),
    "mobilenetv3": narrow_mobilenet,
    "googlenet": NarrowGoogLeNet,
}


def of_mmpretrain(name):
    return ("head." if name.startswith("fc.") else "backbone.") + name


def of_transformers(name):
    """The names of microsoft/resnet-18."""
    for ours, theirs in [
        ("fc.", "classifier.1."),
        ("conv1.", "resnet.embedder.embedder.convolution."),
        ("bn1.", "resnet.embedder.embedder.normalization."),
    ]:
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    stage, rest = name.removeprefix("layer").split(".", 1)
    for ours, theirs in [
        (".downsample.0.", ".shortcut.convolution."),
        (".downsample.1.", ".shortcut.normalization."),
        (".conv1.", ".layer.0.convolution."),
        (".bn1.", ".layer.0.normalization."),
        (".conv2.", ".layer.1.convolution."),
        (".bn2.", ".layer.1.normalization."),
    ]:
        rest = rest.replace(ours, theirs)
    return f"resnet.encoder.stages.{int(stage) - 1}.layers.{rest}"


RENAMED = {"mmpretrain": of_mmpretrain, "transformers": of_transformers}
DATA_PARALLEL = {"official-cbam", "official-bam"}
LAYERS = {
    "layer1.0",
    "layer1",
    "layer4",
    "features.0",
    "features.1",
    "features.12",
    "inception3a",
    "inception5b",
}


def fill(network):
    """Values from the seed, as a trained network's could be, that half precision holds exactly."""
    for name, tensor in network.state_dict().items():
        if name.endswith("num_batches_tracked"):
            tensor.fill_(3)
        elif name.endswith("running_var") or (tensor.dim() < 2 and name.endswith("weight")):
            tensor.copy_(torch.rand_like(tensor) + 0.5)
        elif tensor.dim() < 2:
            tensor.copy_(torch.randn_like(tensor) * 0.2)
        else:
            tensor.copy_(torch.randn_like(tensor) * (1.5 / tensor[0].numel()) ** 0.5)
        if tensor.is_floating_point():
            tensor.copy_(tensor.half().float())


def remember(sample, layer):
    return lambda module, given, result: sample.__setitem__(
        "layer/" + layer, result.detach().clone()
    )


for name, make in NETWORKS.items():
    torch.manual_seed(1)
    network = make().eval()
    fill(network)
    sample = {"input": torch.randn(1, 3, 64, 64).half().double()}
    for layer, module in network.named_modules():
        if layer in LAYERS:
            module.register_forward_hook(remember(sample, layer))
    renamed = RENAMED.get(name, str)
    state = {
        renamed(key): value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    with torch.no_grad():
        sample["output"] = network.double()(sample["input"])
    sample = {key: value.float() for key, value in sample.items()}
    safetensors_file.write(folder / (name + ".sample.safetensors"), sample)
    if name == "resnet":  # a sample may come as PyTorch's own file, too
        pytorch_files.save(sample, folder / (name + ".sample.pt"))
    if name in DATA_PARALLEL:
        state = {"epoch": 1, "state_dict": {"module." + key: value for key, value in state.items()}}
    pytorch_files.save(state, folder / (name + ".pt"), older=True)
