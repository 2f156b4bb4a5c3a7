"""Networks of other people's layouts at small widths, for ImportTest: writes imports/NAME.pt (half precision, as
torch.save writes them) and imports/NAME.sample.safetensors (input, output, layers).

The attention modules have the structure, the names and the order of computing of the public repositories named
below; the residual networks around them have torchvision's names. Run again it writes the same values, in files
that differ: PyTorch's old form names storages by their addresses. Run with Debian's python3-torch and
python3-torchvision:

    python3 models/src/test/scripts/imports.py models/src/test/resources/imports
"""

import json
import pathlib
import struct
import sys

import torch
import torch.nn.functional as F
from torch import nn
from torchvision.models import mobilenetv3
from torchvision.models.googlenet import BasicConv2d, Inception

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


class OfficialBam(nn.Module):
    """https://github.com/Jongchan/attention-module, MODELS/bam.py."""

    class Channel(nn.Module):
        def __init__(self, channels, reduction):
            super().__init__()
            hidden = channels // reduction
            self.gate_c = nn.Sequential()
            self.gate_c.add_module("flatten", Flatten())
            self.gate_c.add_module("gate_c_fc_0", nn.Linear(channels, hidden))
            self.gate_c.add_module("gate_c_bn_1", nn.BatchNorm1d(hidden))
            self.gate_c.add_module("gate_c_relu_1", nn.ReLU())
            self.gate_c.add_module("gate_c_fc_final", nn.Linear(hidden, channels))

        def forward(self, x):
            pooled = F.avg_pool2d(x, x.size(2), stride=x.size(2))
            return self.gate_c(pooled)[:, :, None, None].expand_as(x)

    class Spatial(nn.Module):
        def __init__(self, channels, reduction):
            super().__init__()
            hidden = channels // reduction
            self.gate_s = nn.Sequential()
            self.gate_s.add_module("gate_s_conv_reduce0", nn.Conv2d(channels, hidden, 1))
            self.gate_s.add_module("gate_s_bn_reduce0", nn.BatchNorm2d(hidden))
            self.gate_s.add_module("gate_s_relu_reduce0", nn.ReLU())
            for i in range(2):
                self.gate_s.add_module(
                    "gate_s_conv_di_%d" % i, nn.Conv2d(hidden, hidden, 3, padding=4, dilation=4)
                )
                self.gate_s.add_module("gate_s_bn_di_%d" % i, nn.BatchNorm2d(hidden))
                self.gate_s.add_module("gate_s_relu_di_%d" % i, nn.ReLU())
            self.gate_s.add_module("gate_s_conv_final", nn.Conv2d(hidden, 1, 1))

        def forward(self, x):
            return self.gate_s(x).expand_as(x)

    def __init__(self, channels, reduction):
        super().__init__()
        self.channel_att = self.Channel(channels, reduction)
        self.spatial_att = self.Spatial(channels, reduction)

    def forward(self, x):
        return (1 + (self.channel_att(x) * self.spatial_att(x)).sigmoid()) * x


class TimmSe(nn.Module):
    """timm's SEModule: 1x1 convolutions with biases, hidden channels a multiple of 8."""

    def __init__(self, channels, reduction):
        super().__init__()
        hidden = max(8, int(channels / reduction + 4) // 8 * 8)
        self.fc1 = nn.Conv2d(channels, hidden, 1)
        self.bn = nn.Identity()
        self.act = nn.ReLU()
        self.fc2 = nn.Conv2d(hidden, channels, 1)

    def forward(self, x):
        return x * self.fc2(self.act(self.bn(self.fc1(x.mean((2, 3), keepdim=True))))).sigmoid()


class PublicSe(nn.Module):
    """https://github.com/moskomule/senet.pytorch, senet/se_module.py."""

    def __init__(self, channels, reduction):
        super().__init__()
        hidden = channels // reduction
        self.fc = nn.Sequential(
            nn.Linear(channels, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channels, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class PublicNonLocal(nn.Module):
    """https://github.com/AlexHex7/Non-local_pytorch: the embedded Gaussian, with pooling and batch norm."""

    def __init__(self, channels):
        super().__init__()
        inner = channels // 2
        self.g = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.MaxPool2d(2))
        self.W = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.MaxPool2d(2))

    def forward(self, x):
        g = self.g(x).flatten(2).transpose(1, 2)
        affinity = self.theta(x).flatten(2).transpose(1, 2) @ self.phi(x).flatten(2)
        y = affinity.softmax(-1) @ g
        return self.W(y.transpose(1, 2).reshape(x.shape[0], -1, *x.shape[2:])) + x


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
    """torchvision's resnet18 at a sixteenth of its width, with attention in blocks or behind stages."""

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
                Block(inner, width, stride, name, attention), Block(width, width, 1, name, attention)
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
        "3a": (64, 96, 128, 16, 32, 32), "3b": (128, 128, 192, 32, 96, 64),
        "4a": (192, 96, 208, 16, 48, 64), "4b": (160, 112, 224, 24, 64, 64), "4c": (128, 128, 256, 24, 64, 64),
        "4d": (112, 144, 288, 32, 64, 64), "4e": (256, 160, 320, 32, 128, 128),
        "5a": (256, 160, 320, 32, 128, 128), "5b": (384, 192, 384, 48, 128, 128),
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
        behind={1: "bam1", 2: "bam2", 3: "bam3"}, module=lambda c: OfficialBam(c, 4)
    ),
    "timm-seresnet": lambda: SmallResNet18("se", lambda c: TimmSe(c, 4)),
    "se-resnet": lambda: SmallResNet18("se", lambda c: PublicSe(c, 4)),
    "non-local": lambda: SmallResNet18(behind={2: "nl_2", 3: "nl_3"}, module=PublicNonLocal),
    "mobilenetv3": narrow_mobilenet,
    "googlenet": NarrowGoogLeNet,
}
DATA_PARALLEL = {"official-cbam", "official-bam"}
LAYERS = {"layer1.0", "layer1", "layer4", "features.0", "features.1", "features.12", "inception3a", "inception5b"}


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


def write_safetensors(path, tensors):
    header, data = {}, b""
    for name, tensor in tensors.items():
        values = tensor.detach().contiguous().float().flatten().tolist()
        raw = struct.pack("<%df" % len(values), *values)
        header[name] = {
            "dtype": "F32",
            "shape": list(tensor.shape),
            "data_offsets": [len(data), len(data) + len(raw)],
        }
        data += raw
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.write_bytes(struct.pack("<Q", len(text)) + text + data)


def remember(sample, layer):
    return lambda module, given, result: sample.__setitem__("layer/" + layer, result.detach().clone())


for name, make in NETWORKS.items():
    torch.manual_seed(1)
    network = make().eval()
    fill(network)
    sample = {"input": torch.randn(1, 3, 64, 64).half().float()}
    for layer, module in network.named_modules():
        if layer in LAYERS:
            module.register_forward_hook(remember(sample, layer))
    with torch.no_grad():
        sample["output"] = network(sample["input"])
    write_safetensors(folder / (name + ".sample.safetensors"), sample)
    if name == "resnet":  # a sample may come as PyTorch's own file, too
        torch.save(sample, folder / (name + ".sample.pt"))
    state = {
        key: value.half() if value.is_floating_point() else value
        for key, value in network.state_dict().items()
    }
    if name in DATA_PARALLEL:
        state = {"epoch": 1, "state_dict": {"module." + key: value for key, value in state.items()}}
    torch.save(state, folder / (name + ".pt"), _use_new_zipfile_serialization=False)
