"""The reference implementations of Fovea's first seven mechanisms, for their golden files, and
of those of the others whose authors have published no code that runs.

Each class computes what a public implementation computes, and has its name, the names of its
constructor's arguments and the names and order of its parameters, so that a state dict of one loads
into the other. docs/references.md names those implementations; `attention.py --code DIR` compares
these classes with them.

Shapes: x is [B, C, H, W] unless a class says otherwise.
"""

from collections import OrderedDict

import torch
from torch import nn


class SELayer(nn.Module):
    """Squeeze-and-excitation without biases: y = x * sigmoid(W2 relu(W1 mean(x)))."""

    def __init__(self, channel, reduction=16):
        super().__init__()
        hidden = channel // reduction
        self.fc = nn.Sequential(
            nn.Linear(channel, hidden, bias=False),
            nn.ReLU(),
            nn.Linear(hidden, channel, bias=False),
            nn.Sigmoid(),
        )

    def forward(self, x):
        gates = self.fc(x.mean((2, 3)))
        return x * gates[:, :, None, None]


class ChannelAttention(nn.Module):
    """CBAM's gate for each channel, [B, C, 1, 1]: sigmoid(MLP(mean(x)) + MLP(max(x)))."""

    def __init__(self, in_planes, ratio=16):
        super().__init__()
        hidden = in_planes // ratio
        self.sharedMLP = nn.Sequential(
            nn.Conv2d(in_planes, hidden, 1, bias=False),
            nn.ReLU(),
            nn.Conv2d(hidden, in_planes, 1, bias=False),
        )

    def forward(self, x):
        mean, maximum = x.mean((2, 3), keepdim=True), x.amax((2, 3), keepdim=True)
        return (self.sharedMLP(mean) + self.sharedMLP(maximum)).sigmoid()


class SpatialAttention(nn.Module):
    """CBAM's gate for each position, [B, 1, H, W]: sigmoid(conv([mean, max] over the channels))."""

    def __init__(self, kernel_size=7):
        super().__init__()
        self.conv = nn.Conv2d(2, 1, kernel_size, padding=kernel_size // 2, bias=False)

    def forward(self, x):
        pooled = torch.stack((x.mean(1), x.amax(1)), dim=1)
        return self.conv(pooled).sigmoid()


class cbam(nn.Module):
    """CBAM: the gate for each channel first, then the one for each position of what that gave."""

    def __init__(self, planes):
        super().__init__()
        self.ca = ChannelAttention(planes)
        self.sa = SpatialAttention()

    def forward(self, x):
        x = x * self.ca(x)
        return x * self.sa(x)


class Block(nn.Module):
    """ResNet's basic block with CBAM in front of the addition."""

    def __init__(self, inplanes, planes, stride=1):
        super().__init__()
        shortcut = None
        if (
            stride != 1 or inplanes != planes
        ):  # made first, registered last: this is the order of the random numbers
            shortcut = nn.Sequential(
                nn.Conv2d(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.ca = ChannelAttention(planes)
        self.sa = SpatialAttention()
        self.downsample = shortcut

    def forward(self, x):
        y = self.bn1(self.conv1(x)).relu()
        y = self.bn2(self.conv2(y))
        y = y * self.ca(y)
        y = y * self.sa(y)
        return (y + (x if self.downsample is None else self.downsample(x))).relu()


class ChannelGate(nn.Module):
    """BAM's channel branch: linear layers on the means, with batch norm and ReLU between them.

    The result is expanded to the shape of x.
    """

    def __init__(self, gate_channel, reduction_ratio=16, num_layers=1):
        super().__init__()
        hidden = gate_channel // reduction_ratio
        layers = OrderedDict()
        width = gate_channel
        for i in range(num_layers):
            layers[f"gate_c_fc_{i}"] = nn.Linear(width, hidden)
            layers[f"gate_c_bn_{i + 1}"] = nn.BatchNorm1d(hidden)
            layers[f"gate_c_relu_{i + 1}"] = nn.ReLU()
            width = hidden
        layers["gate_c_fc_final"] = nn.Linear(width, gate_channel)
        self.gate_c = nn.Sequential(layers)

    def forward(self, x):
        return self.gate_c(x.mean((2, 3)))[:, :, None, None].expand_as(x)


class SpatialGate(nn.Module):
    """BAM's spatial branch: to fewer channels, dilated 3x3 convolutions, to one channel.

    The result is expanded to the shape of x.
    """

    def __init__(self, gate_channel, reduction_ratio=16, dilation_conv_num=2, dilation_val=4):
        super().__init__()
        hidden = gate_channel // reduction_ratio
        layers = OrderedDict()

        def add(name, convolution):
            layers[f"gate_s_conv_{name}"] = convolution
            layers[f"gate_s_bn_{name}"] = nn.BatchNorm2d(hidden)
            layers[f"gate_s_relu_{name}"] = nn.ReLU()

        add("reduce0", nn.Conv2d(gate_channel, hidden, 1))
        for i in range(dilation_conv_num):
            add(
                f"di_{i}", nn.Conv2d(hidden, hidden, 3, padding=dilation_val, dilation=dilation_val)
            )
        layers["gate_s_conv_final"] = nn.Conv2d(hidden, 1, 1)
        self.gate_s = nn.Sequential(layers)

    def forward(self, x):
        return self.gate_s(x).expand_as(x)


class BAM(nn.Module):
    """BAM, its branches multiplied as in the authors' code.

    y = x * (1 + sigmoid(channel(x) * spatial(x)))
    """

    def __init__(self, gate_channel, reduction_ratio=16):
        super().__init__()
        self.channel_att = ChannelGate(gate_channel, reduction_ratio)
        self.spatial_att = SpatialGate(gate_channel, reduction_ratio)

    def forward(self, x):
        return x * (1 + (self.channel_att(x) * self.spatial_att(x)).sigmoid())


class PAM_Module(nn.Module):
    """DANet's position attention: y = gamma * V softmax(Q^T K)^T + x.

    The softmax is over the keys, and the energies are not scaled.
    """

    def __init__(self, in_dim):
        super().__init__()
        self.query_conv = nn.Conv2d(in_dim, in_dim // 8, 1)
        self.key_conv = nn.Conv2d(in_dim, in_dim // 8, 1)
        self.value_conv = nn.Conv2d(in_dim, in_dim, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        query, key, value = (
            layer(x).flatten(2) for layer in (self.query_conv, self.key_conv, self.value_conv)
        )
        weights = torch.einsum("bci,bcj->bij", query, key).softmax(-1)
        return self.gamma * torch.einsum("bij,bcj->bci", weights, value).view_as(x) + x


class CAM_Module(nn.Module):
    """DANet's channel attention: E = X X^T; y = gamma * softmax(max(E) - E) X + x."""

    def __init__(self, in_dim):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x):
        flat = x.flatten(2)
        energy = torch.einsum("bin,bjn->bij", flat, flat)
        weights = (energy.amax(-1, keepdim=True) - energy).softmax(-1)
        return self.gamma * torch.einsum("bij,bjn->bin", weights, flat).view_as(x) + x


class _NonLocalBlockND(nn.Module):
    """The non-local block, embedded Gaussian.

    y_i = sum_j softmax_j(theta_i . phi_j) g_j; z = W(y) + x

    x is [B, C, L], [B, C, H, W] or [B, C, T, H, W]. With sub_sample, g and phi are pooled by two
    (not over time); with bn_layer, a batch norm stands behind W.
    """

    CONVOLUTIONS = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
    NORMS = {1: nn.BatchNorm1d, 2: nn.BatchNorm2d, 3: nn.BatchNorm3d}
    POOLS = {1: nn.MaxPool1d(2), 2: nn.MaxPool2d(2), 3: nn.MaxPool3d((1, 2, 2))}

    def __init__(
        self, in_channels, inter_channels=None, dimension=3, sub_sample=True, bn_layer=True
    ):
        super().__init__()
        self.inner = inter_channels or max(1, in_channels // 2)
        self.pool = self.POOLS[dimension] if sub_sample else None
        convolution = self.CONVOLUTIONS[dimension]
        self.g = self.pooled(convolution(in_channels, self.inner, 1))
        self.W = convolution(self.inner, in_channels, 1)
        if bn_layer:
            self.W = nn.Sequential(self.W, self.NORMS[dimension](in_channels))
        self.embed(convolution, in_channels)

    def pooled(self, layer):
        return layer if self.pool is None else nn.Sequential(layer, self.pool)

    def embed(self, convolution, in_channels):
        self.theta = convolution(in_channels, self.inner, 1)
        self.phi = self.pooled(convolution(in_channels, self.inner, 1))

    def affinity(self, x):
        """[B, positions, positions attended to]"""
        return self.products(self.theta(x), self.phi(x)).softmax(-1)

    @staticmethod
    def products(theta, phi):
        return torch.einsum("bci,bcj->bij", theta.flatten(2), phi.flatten(2))

    def forward(self, x):
        g = self.g(x).flatten(2)
        y = torch.einsum("bij,bcj->bci", self.affinity(x), g)
        return self.W(y.reshape(x.shape[0], self.inner, *x.shape[2:])) + x


class NonLocalGaussian(_NonLocalBlockND):
    """f = exp(x_i . x_j): no theta, and phi only pools."""

    def embed(self, convolution, in_channels):
        pass

    def affinity(self, x):
        return self.products(x, x if self.pool is None else self.pool(x)).softmax(-1)


class NonLocalDotProduct(_NonLocalBlockND):
    """f = theta_i . phi_j, divided by the number of positions attended to."""

    def affinity(self, x):
        products = self.products(self.theta(x), self.phi(x))
        return products / products.shape[-1]


class NonLocalConcatenation(_NonLocalBlockND):
    """f = relu(w . [theta_i, phi_j]), divided by the number of positions attended to."""

    def embed(self, convolution, in_channels):
        super().embed(convolution, in_channels)
        self.concat_project = nn.Sequential(nn.Conv2d(2 * self.inner, 1, 1, bias=False), nn.ReLU())

    def affinity(self, x):
        theta, phi = self.theta(x).flatten(2), self.phi(x).flatten(2)
        i, j = theta.shape[-1], phi.shape[-1]
        pairs = torch.cat(
            (theta[..., :, None].expand(-1, -1, i, j), phi[..., None, :].expand(-1, -1, i, j)),
            dim=1,
        )
        return self.concat_project(pairs)[:, 0] / j


class EffectiveSqueezeExcitation(nn.Module):
    """A gate for each channel by one layer, of the mean, or of half the mean and half the maximum."""

    def __init__(self, channels, with_maximum=False):
        super().__init__()
        self.with_maximum = with_maximum
        self.fc = nn.Conv2d(channels, channels, 1)

    def forward(self, x):
        squeezed = x.mean((2, 3), keepdim=True)
        if self.with_maximum:
            squeezed = (squeezed + x.amax((2, 3), keepdim=True)) / 2
        return x * nn.functional.relu6(self.fc(squeezed) + 3) / 6


def channels_first(original):
    """A class for [B, C, H, W] of one for [B, H, W, C]."""

    class ChannelsFirst(original):
        def forward(self, x):
            return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)

    ChannelsFirst.__name__ = original.__name__
    return ChannelsFirst


def scse_with_other_names(original):
    """The authors' scSE with the parameters of segmentation-models-pytorch, of the same values."""

    class Renamed(nn.Module):
        def __init__(self, num_channels, reduction_ratio=2):
            super().__init__()
            self.module = [original(num_channels, reduction_ratio)]  # in a list: not registered
            hidden = num_channels // reduction_ratio
            self.cSE = nn.ModuleDict(
                {"1": nn.Conv2d(num_channels, hidden, 1), "3": nn.Conv2d(hidden, num_channels, 1)}
            )
            self.sSE = nn.ModuleDict({"0": nn.Conv2d(num_channels, 1, 1)})

        def forward(self, x):
            own = {
                "cSE.fc1.weight": self.cSE["1"].weight.flatten(1),
                "cSE.fc1.bias": self.cSE["1"].bias,
                "cSE.fc2.weight": self.cSE["3"].weight.flatten(1),
                "cSE.fc2.bias": self.cSE["3"].bias,
                "sSE.conv.weight": self.sSE["0"].weight,
                "sSE.conv.bias": self.sSE["0"].bias,
            }
            return torch.func.functional_call(self.module[0], own, (x,), strict=True)

    Renamed.__name__ = original.__name__
    return Renamed


def cbam_with_other_names(original):
    """fightingcv's CBAM with the parameters of the reference implementation, of the same values.

    Its spatial convolution takes the maximum first, so the two channels are swapped.
    """

    class Renamed(nn.Module):
        def __init__(self, channel, reduction, kernel_size):
            super().__init__()
            self.module = [original(channel, reduction, kernel_size)]  # in a list: not registered
            hidden = channel // reduction
            mlp = {
                "0": nn.Conv2d(channel, hidden, 1, bias=False),
                "2": nn.Conv2d(hidden, channel, 1, bias=False),
            }
            self.ca = nn.ModuleDict({"sharedMLP": nn.ModuleDict(mlp)})
            self.sa = nn.ModuleDict({"conv": nn.Conv2d(2, 1, kernel_size)})

        def forward(self, x):
            own = {
                "ca.se.0.weight": self.ca["sharedMLP"]["0"].weight,
                "ca.se.2.weight": self.ca["sharedMLP"]["2"].weight,
                "sa.conv.weight": self.sa["conv"].weight.flip(1),
                "sa.conv.bias": self.sa["conv"].bias,
            }
            return torch.func.functional_call(self.module[0], own, (x,), strict=True)

    Renamed.__name__ = original.__name__
    return Renamed


def cam_with_other_names(original):
    """changzy00's CAM, whose factor beta has the name gamma here."""

    class Renamed(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = [original()]  # in a list: not registered
            self.gamma = nn.Parameter(torch.zeros(1))

        def forward(self, x):
            return torch.func.functional_call(self.module[0], {"beta": self.gamma}, (x,))

    Renamed.__name__ = original.__name__
    return Renamed


class GlobalAttention(nn.Module):
    """GAM: an MLP over the channels of each position, then two wide convolutions.

    With groups, the gates of the second half are shuffled between the groups.
    """

    def __init__(self, channels, reduction=4, sigmoid=False, groups=1):
        super().__init__()
        hidden = channels // reduction
        self.sigmoid, self.groups = sigmoid, groups
        self.channel_attention = nn.Sequential(
            nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels)
        )
        self.spatial_attention = nn.Sequential(
            nn.Conv2d(channels, hidden, 7, padding=3, groups=groups),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            nn.Conv2d(hidden, channels, 7, padding=3, groups=groups),
            nn.BatchNorm2d(channels),
        )

    def forward(self, x):
        factors = self.channel_attention(x.movedim(1, -1)).movedim(-1, 1)
        x = x * (factors.sigmoid() if self.sigmoid else factors)
        scores = self.spatial_attention(x)
        return x * nn.functional.channel_shuffle(scores, self.groups).sigmoid()


class EfficientLocalAttention(nn.Module):
    """ELA: gates of rows and columns, from one convolution and one group norm for both."""

    def __init__(self, channel, kernel, groups, norm_groups):
        super().__init__()
        self.conv = nn.Conv1d(
            channel, channel, kernel, padding=kernel // 2, groups=groups, bias=False
        )
        self.gn = nn.GroupNorm(norm_groups, channel)

    def forward(self, x):
        rows, columns = (self.gn(self.conv(x.mean(d))).sigmoid() for d in (3, 2))
        return x * rows[..., None] * columns[..., None, :]


class GatherExcite(nn.Module):
    """Gather-excite with timm's names.

    The convolution of the whole map (extent 0 with parameters) has no padding, as in the paper.
    """

    def __init__(
        self, channels, extent=0, parameters=False, mlp=True, reduction=16, size=None
    ):
        super().__init__()
        self.extent = extent
        self.gather = self.mlp = None
        if parameters:
            layers = OrderedDict()
            steps = extent.bit_length() - 1 if extent else 1
            for i in range(1, steps + 1):
                kernel = dict(stride=2, padding=1, kernel_size=3) if extent else dict(kernel_size=size)
                layers[f"conv{i}"] = nn.Conv2d(
                    channels, channels, groups=channels, bias=False, **kernel
                )
                layers[f"norm{i}"] = nn.BatchNorm2d(channels)
                if i < steps:
                    layers[f"act{i}"] = nn.ReLU()
            self.gather = nn.Sequential(layers)
        if mlp:
            self.mlp = nn.Sequential(
                OrderedDict(
                    fc1=nn.Conv2d(channels, channels // reduction, 1),
                    act=nn.ReLU(),
                    fc2=nn.Conv2d(channels // reduction, channels, 1),
                )
            )

    def forward(self, x):
        if self.gather is not None:
            y = self.gather(x)
        elif self.extent == 0:
            y = x.mean((2, 3), keepdim=True)
        else:
            window = 2 * self.extent - 1
            y = nn.functional.avg_pool2d(
                x, window, self.extent, self.extent - 1, count_include_pad=False
            )
        y = y if self.mlp is None else self.mlp(y)
        return x * nn.functional.interpolate(y, size=x.shape[2:]).sigmoid()


class ExternalMemory(nn.Module):
    """External attention's memory alone, as copies have it: without layers around it."""

    def __init__(self, channels, size):
        super().__init__()
        self.linear_0 = nn.Conv1d(channels, size, 1, bias=False)
        self.linear_1 = nn.Conv1d(size, channels, 1, bias=False)

    def forward(self, x):
        maps = self.linear_0(x.flatten(2)).softmax(2)
        return self.linear_1(maps / maps.sum(1, keepdim=True)).view_as(x)


def infinity_on_diagonal(batch, height, width):
    """For criss-cross attention: a position is in its own column once only, [B * W, H, H]."""
    return -torch.diag(torch.full((height,), float("inf"))).repeat(batch * width, 1, 1)


def recurrent(module):
    """The module, applied several times with the same weights."""

    class Recurrent(module):
        def __init__(self, in_dim, recurrence):
            super().__init__(in_dim)
            self.recurrence = recurrence

        def forward(self, x):
            for _ in range(self.recurrence):
                x = super().forward(x)
            return x

    Recurrent.__name__ = module.__name__
    return Recurrent


def gated(module, **fixed):
    """A module whose authors' class returns the gate alone, with fixed arguments."""

    class Gated(module):
        def __init__(self, **config):
            super().__init__(**config, **fixed)

        def forward(self, x):
            return x * super().forward(x)

    Gated.__name__ = module.__name__
    return Gated


class BaseModule(nn.Module):
    """What mmcv's class of this name is to context anchor attention."""

    def __init__(self, init_cfg=None):
        super().__init__()


class ConvModule(nn.Module):
    """mmcv's convolution with a batch norm and an activation, as far as this is used here."""

    def __init__(
        self, in_, out, kernel, stride=1, padding=0, groups=1, norm_cfg=None, act_cfg=None
    ):
        super().__init__()
        self.conv = nn.Conv2d(
            in_, out, kernel, stride, padding, groups=groups, bias=norm_cfg is None
        )
        if norm_cfg is not None:
            constants = {key: value for key, value in norm_cfg.items() if key != "type"}
            self.bn = nn.BatchNorm2d(out, **constants)
        self.activate = nn.Identity() if act_cfg is None else nn.SiLU()

    def forward(self, x):
        y = self.conv(x)
        return self.activate(self.bn(y) if hasattr(self, "bn") else y)


class SelfAttention(nn.Module):
    """Self-attention with several heads; with absolute positions as the text of BoTNet has them."""

    def __init__(self, channels, rows, columns, heads, with_positions):
        super().__init__()
        self.heads = heads
        self.query = nn.Conv2d(channels, channels, 1)
        self.key = nn.Conv2d(channels, channels, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.with_positions = with_positions
        if with_positions:
            self.rel_h = nn.Parameter(torch.randn(1, heads, channels // heads, 1, columns))
            self.rel_w = nn.Parameter(torch.randn(1, heads, channels // heads, rows, 1))

    def forward(self, x):
        q, k, v = (
            layer(x).unflatten(1, (self.heads, -1)).flatten(3)
            for layer in (self.query, self.key, self.value)
        )
        if self.with_positions:
            k = k + (self.rel_h + self.rel_w).flatten(3)
        weights = torch.einsum("bhdi,bhdj->bhij", q, k).softmax(-1)
        return torch.einsum("bhij,bhdj->bhdi", weights, v).reshape(x.shape)


def split_attention(module):
    """ResNeSt's convolution as its residual block has it, with the average pool that strides."""

    class SplAtConv2d(module):
        def __init__(self, channels, radix=2, groups=1, stride=1, dilation=1):
            same = dict(kernel_size=3, padding=dilation, dilation=dilation, bias=False)
            super().__init__(
                channels, channels, groups=groups, radix=radix, norm_layer=nn.BatchNorm2d, **same
            )
            self.avd = nn.Identity() if stride == 1 else nn.AvgPool2d(3, stride, padding=1)

        def forward(self, x):
            return self.avd(super().forward(x))

    return SplAtConv2d


def timm_split_attention(module):
    """timm's form of it."""

    class SplitAttn(module):
        def __init__(self, channels, radix=2, groups=1, stride=1, dilation=1):
            super().__init__(
                channels,
                radix=radix,
                groups=groups,
                padding=dilation,
                dilation=dilation,
                norm_layer=nn.BatchNorm2d,
            )
            self.avd = nn.Identity() if stride == 1 else nn.AvgPool2d(3, stride, padding=1)

        def forward(self, x):
            return self.avd(super().forward(x))

    return SplitAttn
