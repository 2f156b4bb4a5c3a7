"""The mechanisms as they are written in PyTorch, for peers.py.

Each class is a mechanism with its default options for maps of c channels, written from the equation
of its paper. Parameters and buffers have the order of the authors' state dict, so that
scripts/golden/peers.py can compare each class with the golden files.
"""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


def conv(inputs, outputs, kernel=1, **options):
    return nn.Conv2d(inputs, outputs, kernel, **options)


def depthwise(c, height, width=None, dilation=1):
    kernel = (height, width or height)
    padding = tuple(k // 2 * dilation for k in kernel)
    return conv(c, c, kernel, padding=padding, dilation=dilation, groups=c)


def mean(x):
    """[B, C, H, W] -> [B, C, 1, 1]"""
    return x.mean((2, 3), keepdim=True)


def mean_of_channels(x):
    """[B, C, H, W] -> [B, 1, H, W]"""
    return x.mean(1, keepdim=True)


def max_of_channels(x):
    """[B, C, H, W] -> [B, 1, H, W]"""
    return x.max(1, keepdim=True)[0]


def rows_and_columns(x):
    """[B, C, H, W] -> [B, C, H + W, 1]"""
    return torch.cat([x.mean(3, keepdim=True), x.mean(2)[..., None]], 2)


def split_rows_and_columns(y, x):
    """[B, C, H + W, 1] -> [B, C, H, 1], [B, C, 1, W]"""
    rows, columns = y.split([x.size(2), x.size(3)], 2)
    return rows, columns.transpose(2, 3)


def kernel_along_channels(c):
    half = (int(math.log2(c)) + 1) // 2
    return half if half % 2 else half + 1


def along_channels(kernel):
    return nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)


class SE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(c, c // 16, bias=False), nn.ReLU(), nn.Linear(c // 16, c, bias=False), nn.Sigmoid()
        )

    def forward(self, x):
        return x * self.fc(x.mean((2, 3)))[:, :, None, None]


class Block(nn.Module):
    """A mechanism with the end of a residual block."""

    def __init__(self, mechanism):
        super().__init__()
        self.mechanism = mechanism

    def forward(self, x, shortcut):
        return F.relu(self.mechanism(x) + shortcut)


class CBAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mlp = nn.Sequential(conv(c, c // 16, bias=False), nn.ReLU(), conv(c // 16, c, bias=False))
        self.spatial = conv(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        x = x * torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        pooled = torch.cat([mean_of_channels(x), max_of_channels(x)], 1)
        return x * torch.sigmoid(self.spatial(pooled))


class BAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        r = c // 16
        self.channel = nn.Sequential(nn.Linear(c, r), nn.BatchNorm1d(r), nn.ReLU(), nn.Linear(r, c))
        dilated = [
            layer
            for _ in range(2)
            for layer in (conv(r, r, 3, padding=4, dilation=4), nn.BatchNorm2d(r), nn.ReLU())
        ]
        self.spatial = nn.Sequential(conv(c, r), nn.BatchNorm2d(r), nn.ReLU(), *dilated, conv(r, 1))

    def forward(self, x):
        gate = self.channel(x.mean((2, 3)))[:, :, None, None] * self.spatial(x)
        return x * (1 + torch.sigmoid(gate))


class PAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.query, self.key, self.value = conv(c, c // 8), conv(c, c // 8), conv(c, c)
        self.gamma = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x):
        query, key, value = self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2)
        attention = torch.softmax(torch.bmm(query.transpose(1, 2), key), -1)
        return self.gamma * torch.bmm(value, attention.transpose(1, 2)).view_as(x) + x


class CAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x):
        flat = x.flatten(2)
        energy = torch.bmm(flat, flat.transpose(1, 2))
        attention = torch.softmax(energy.max(-1, keepdim=True)[0] - energy, -1)
        return self.gamma * torch.bmm(attention, flat).view_as(x) + x


class NonLocal(nn.Module):
    def __init__(self, c, mode="embedded_gaussian", subsample="true"):
        super().__init__()
        if mode not in ("embedded_gaussian", "dot_product", "concatenation"):
            raise ValueError(f"nonlocal:mode={mode} is not written in PyTorch here")
        inter = c // 2
        self.mode = mode
        self.g = conv(c, inter)
        self.out = nn.Sequential(conv(inter, c), nn.BatchNorm2d(c))
        self.theta, self.phi = conv(c, inter), conv(c, inter)
        self.pool = nn.MaxPool2d(2) if subsample == "true" else nn.Identity()
        self.project = nn.Conv2d(2 * inter, 1, 1, bias=False) if mode == "concatenation" else None

    def forward(self, x):
        g, phi = self.pool(self.g(x)).flatten(2), self.pool(self.phi(x)).flatten(2)
        theta = self.theta(x).flatten(2)
        if self.mode == "concatenation":
            pairs = torch.cat(
                [
                    theta[..., None].expand(-1, -1, -1, phi.size(2)),
                    phi[:, :, None].expand(-1, -1, theta.size(2), -1),
                ],
                1,
            )
            f = F.relu(self.project(pairs))[:, 0]
        else:
            f = torch.bmm(theta.transpose(1, 2), phi)
        f = torch.softmax(f, -1) if self.mode == "embedded_gaussian" else f / f.size(-1)
        y = torch.bmm(f, g.transpose(1, 2)).transpose(1, 2)
        return self.out(y.reshape(x.size(0), -1, *x.shape[2:])) + x


class ECA(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = along_channels(max(3, kernel_along_channels(c)))

    def forward(self, x):
        return x * torch.sigmoid(self.conv(x.mean((2, 3))[:, None]))[:, 0, :, None, None]


class ESE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.fc = conv(c, c)

    def forward(self, x):
        return x * F.hardsigmoid(self.fc(mean(x)))


class GCT(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.alpha = nn.Parameter(torch.ones(c, 1, 1))
        self.gamma = nn.Parameter(torch.zeros(c, 1, 1))
        self.beta = nn.Parameter(torch.zeros(c, 1, 1))

    def forward(self, x):
        e = self.alpha * torch.sqrt((x * x).sum((2, 3), keepdim=True) + 1e-5)
        normed = e / torch.sqrt((e * e).mean(1, keepdim=True) + 1e-5)
        return x * (1 + torch.tanh(self.gamma * normed + self.beta))


class SRM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(c, 2))
        self.norm = nn.BatchNorm1d(c)

    def forward(self, x):
        variance, means = torch.var_mean(x, (2, 3))
        z = self.weights[:, 0] * means + self.weights[:, 1] * torch.sqrt(variance + 1e-5)
        return x * torch.sigmoid(self.norm(z))[:, :, None, None]


class NAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.norm = nn.BatchNorm2d(c)

    def forward(self, x):
        sizes = self.norm.weight.detach().abs()
        return x * torch.sigmoid(self.norm(x) * (sizes / sizes.sum())[:, None, None])


class CoordAtt(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = max(8, c // 32)
        self.shared, self.norm = conv(c, hidden), nn.BatchNorm2d(hidden)
        self.rows, self.columns = conv(hidden, c), conv(hidden, c)

    def forward(self, x):
        both = F.hardswish(self.norm(self.shared(rows_and_columns(x))))
        rows, columns = split_rows_and_columns(both, x)
        return x * torch.sigmoid(self.columns(columns)) * torch.sigmoid(self.rows(rows))


class SimAM(nn.Module):
    def __init__(self, c):
        super().__init__()

    def forward(self, x):
        d = (x - mean(x)) ** 2
        variance = d.sum((2, 3), keepdim=True) / (x[0, 0].numel() - 1)
        return x * torch.sigmoid(d / (4 * (variance + 1e-4)) + 0.5)


class Triplet(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gates = nn.ModuleList(
            nn.Sequential(conv(2, 1, 7, padding=3, bias=False), nn.BatchNorm2d(1, momentum=0.01))
            for _ in range(3)
        )

    def forward(self, x):
        sum_of_gates = 0
        for gate, order in zip(self.gates, ((0, 2, 1, 3), (0, 3, 2, 1), (0, 1, 2, 3))):
            turned = x.permute(order)
            scores = gate(torch.cat([max_of_channels(turned), mean_of_channels(turned)], 1))
            sum_of_gates = sum_of_gates + torch.sigmoid(scores).permute(order)
        return x * (sum_of_gates / 3)


class SGE(nn.Module):
    GROUPS = 64

    def __init__(self, c):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(self.GROUPS, 1))
        self.bias = nn.Parameter(torch.ones(self.GROUPS, 1))

    def forward(self, x):
        groups = x.view(x.size(0), self.GROUPS, -1, x.size(2) * x.size(3))  # [B, G, C/G, N]
        like = (groups * groups.mean(3, keepdim=True)).sum(2)
        deviation, average = torch.std_mean(like, 2, keepdim=True)
        t = (like - average) / (deviation + 1e-5)
        return (groups * torch.sigmoid(self.weight * t + self.bias)[:, :, None]).view_as(x)


class LKA(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.convs = nn.Sequential(depthwise(c, 5), depthwise(c, 7, dilation=3), conv(c, c))

    def forward(self, x):
        return x * self.convs(x)


class GC(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mask = conv(c, 1)
        hidden = c // 16
        self.transform = nn.Sequential(
            conv(c, hidden), nn.LayerNorm([hidden, 1, 1]), nn.ReLU(), conv(hidden, c)
        )

    def forward(self, x):
        weights = torch.softmax(self.mask(x).flatten(2), 2)  # [B, 1, N]
        context = torch.bmm(x.flatten(2), weights.transpose(1, 2))[..., None]
        return x + self.transform(context)


class GRN(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gamma = nn.Parameter(torch.zeros(c, 1, 1))
        self.beta = nn.Parameter(torch.zeros(c, 1, 1))

    def forward(self, x):
        norms = torch.linalg.vector_norm(x, dim=(2, 3), keepdim=True)
        share = norms / (norms.mean(1, keepdim=True) + 1e-6)
        return x + self.gamma * (x * share) + self.beta


class SCSE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.channels = nn.Sequential(conv(c, c // 16), nn.ReLU(), conv(c // 16, c), nn.Sigmoid())
        self.positions = nn.Sequential(conv(c, 1), nn.Sigmoid())

    def forward(self, x):
        return x * self.channels(mean(x)) + x * self.positions(x)


class FCA(nn.Module):
    FREQUENCIES = "00 01 60 05 02 10 12 40 50 16 30 04 06 03 35 22"

    def __init__(self, c):
        super().__init__()
        p = (torch.arange(7) + 0.5) / 7
        waves = [torch.cos(math.pi * f * p) / 7**0.5 * (2**0.5 if f else 1) for f in range(7)]
        pairs = [torch.outer(waves[int(u)], waves[int(v)]) for u, v in self.FREQUENCIES.split()]
        self.register_buffer("cosines", torch.stack(pairs).repeat_interleave(c // len(pairs), 0))
        self.fc = nn.Sequential(
            nn.Linear(c, c // 16, bias=False), nn.ReLU(), nn.Linear(c // 16, c, bias=False), nn.Sigmoid()
        )

    def forward(self, x):
        z = (F.adaptive_avg_pool2d(x, 7) * self.cosines).sum((2, 3))
        return x * self.fc(z)[:, :, None, None]


class MLCA(nn.Module):
    def __init__(self, c):
        super().__init__()
        kernel = kernel_along_channels(c)
        self.all, self.local = along_channels(kernel), along_channels(kernel)

    def forward(self, x):
        b, c = x.shape[:2]
        cells = F.adaptive_avg_pool2d(x, 5)
        row = cells.flatten(2).transpose(1, 2).reshape(b, 1, -1)
        local = self.local(row).view(b, -1, c).transpose(1, 2).reshape(b, c, 5, 5)
        whole = self.all(cells.mean((2, 3))[:, None])[:, 0, :, None, None]
        gates = 0.5 * torch.sigmoid(local) + 0.5 * torch.sigmoid(whole)
        return x * F.adaptive_avg_pool2d(gates, x.shape[2:])


class Shuffle(nn.Module):
    GROUPS = 64

    def __init__(self, c):
        super().__init__()
        half = c // (2 * self.GROUPS)
        self.channel_weight = nn.Parameter(torch.zeros(half, 1, 1))
        self.channel_bias = nn.Parameter(torch.ones(half, 1, 1))
        self.position_weight = nn.Parameter(torch.zeros(half, 1, 1))
        self.position_bias = nn.Parameter(torch.ones(half, 1, 1))
        self.norm = nn.GroupNorm(half, half)

    def forward(self, x):
        b, c, height, width = x.shape
        first, second = x.view(b * self.GROUPS, -1, height, width).chunk(2, 1)
        of_channels = torch.sigmoid(self.channel_weight * mean(first) + self.channel_bias)
        of_positions = torch.sigmoid(self.position_weight * self.norm(second) + self.position_bias)
        gated = torch.cat([first * of_channels, second * of_positions], 1)
        return gated.view(b, 2, c // 2, height, width).transpose(1, 2).reshape(b, c, height, width)


class EMA(nn.Module):
    GROUPS = 32

    def __init__(self, c):
        super().__init__()
        width = c // self.GROUPS
        self.norm = nn.GroupNorm(width, width)
        self.pointwise, self.wide = conv(width, width), conv(width, width, 3, padding=1)

    def forward(self, x):
        groups = x.view(x.size(0) * self.GROUPS, -1, *x.shape[2:])
        both = torch.sigmoid(self.pointwise(rows_and_columns(groups)))
        rows, columns = split_rows_and_columns(both, groups)
        first, second = self.norm(groups * rows * columns), self.wide(groups)
        scores = self.weighted(first, second) + self.weighted(second, first)
        return (groups * torch.sigmoid(scores).view(-1, 1, *x.shape[2:])).view_as(x)

    @staticmethod
    def weighted(weights, values):
        shares = torch.softmax(weights.mean((2, 3)), 1)[:, None]  # [B G, 1, c]
        return torch.bmm(shares, values.flatten(2))


class GAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        hidden = c // 4
        self.channels = nn.Sequential(nn.Linear(c, hidden), nn.ReLU(), nn.Linear(hidden, c))
        self.positions = nn.Sequential(
            conv(c, hidden, 7, padding=3),
            nn.BatchNorm2d(hidden),
            nn.ReLU(),
            conv(hidden, c, 7, padding=3),
            nn.BatchNorm2d(c),
            nn.Sigmoid(),
        )

    def forward(self, x):
        x = x * self.channels(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        return x * self.positions(x)


class ELA(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = nn.Conv1d(c, c, 7, padding=3, groups=c, bias=False)
        self.norm = nn.GroupNorm(16, c)

    def forward(self, x):
        rows = torch.sigmoid(self.norm(self.conv(x.mean(3))))[..., None]
        columns = torch.sigmoid(self.norm(self.conv(x.mean(2))))[:, :, None]
        return x * rows * columns


class Polarized(nn.Module):
    def __init__(self, c):
        super().__init__()
        half = c // 2
        self.query_of_channels, self.value_of_channels = conv(c, 1, bias=False), conv(c, half, bias=False)
        self.up = conv(half, c, bias=False)
        self.query_of_positions, self.value_of_positions = conv(c, half, bias=False), conv(c, half, bias=False)

    def forward(self, x):
        weights = torch.softmax(self.query_of_channels(x).flatten(2), 2)  # [B, 1, N]
        context = torch.bmm(self.value_of_channels(x).flatten(2), weights.transpose(1, 2))
        of_channels = torch.sigmoid(self.up(context[..., None]))
        query = self.query_of_positions(x).mean((2, 3))[:, None]
        scores = torch.softmax(torch.bmm(query, self.value_of_positions(x).flatten(2)), 2)
        of_positions = torch.sigmoid(scores).view(-1, 1, *x.shape[2:])
        return x * of_channels + x * of_positions


class GE(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mlp = nn.Sequential(conv(c, c // 16), nn.ReLU(), conv(c // 16, c))

    def forward(self, x):
        return x * torch.sigmoid(self.mlp(mean(x)))


class External(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = conv(c, c)
        self.keys = nn.Conv1d(c, 64, 1, bias=False)
        self.values = nn.Conv1d(64, c, 1, bias=False)
        self.conv2 = nn.Sequential(conv(c, c, bias=False), nn.BatchNorm2d(c))

    def forward(self, x):
        maps = torch.softmax(self.keys(self.conv1(x).flatten(2)), 2)
        weights = maps / (1e-9 + maps.sum(1, keepdim=True))
        return F.relu(x + self.conv2(self.values(weights).view_as(x)))


class A2(nn.Module):
    def __init__(self, c):
        super().__init__()
        inner = c // 4
        self.features, self.gathering, self.distribution = conv(c, inner), conv(c, inner), conv(c, inner)
        self.out = conv(inner, c)

    def forward(self, x):
        maps = torch.softmax(self.gathering(x).flatten(2), 2)
        weights = torch.softmax(self.distribution(x).flatten(2), 1)
        descriptors = torch.bmm(self.features(x).flatten(2), maps.transpose(1, 2))
        return self.out(torch.bmm(descriptors, weights).view(x.size(0), -1, *x.shape[2:]))


class CrissCross(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.query, self.key, self.value = conv(c, c // 8), conv(c, c // 8), conv(c, c)
        self.gamma = nn.Parameter(torch.full((1,), 0.5))

    def forward(self, x):
        return self.once(self.once(x))

    def once(self, x):
        query, key, value = self.query(x), self.key(x), self.value(x)
        column = torch.einsum("bchw,bcgw->bhwg", query, key)
        row = torch.einsum("bchw,bchv->bhwv", query, key)
        itself = torch.eye(x.size(2), dtype=torch.bool, device=x.device)  # is in the row already
        column = column.masked_fill(itself[:, None], -torch.inf)
        weights = torch.softmax(torch.cat([column, row], 3), 3)
        of_column, of_row = weights.split([x.size(2), x.size(3)], 3)
        y = torch.einsum("bhwg,bcgw->bchw", of_column, value)
        return self.gamma * (y + torch.einsum("bhwv,bchv->bchw", of_row, value)) + x


class Strip(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.rows, self.norm_of_rows = conv(c, c, (3, 1), padding=(1, 0), bias=False), nn.BatchNorm2d(c)
        self.columns, self.norm_of_columns = conv(c, c, (1, 3), padding=(0, 1), bias=False), nn.BatchNorm2d(c)
        self.out = conv(c, c)

    def forward(self, x):
        rows = self.norm_of_rows(self.rows(x.mean(3, keepdim=True)))
        columns = self.norm_of_columns(self.columns(x.mean(2, keepdim=True)))
        return x * torch.sigmoid(self.out(F.relu(rows + columns)))


class CPCA(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mlp = nn.Sequential(conv(c, c // 4), nn.ReLU(), conv(c // 4, c), nn.Sigmoid())
        self.near = depthwise(c, 5)
        self.strips = nn.ModuleList(
            nn.Sequential(depthwise(c, 1, k), depthwise(c, k, 1)) for k in (7, 11, 21)
        )
        self.conv = conv(c, c)

    def forward(self, x):
        y = F.gelu(self.conv(x))
        y = y * (self.mlp(mean(y)) + self.mlp(F.adaptive_max_pool2d(y, 1)))
        near = self.near(y)
        around = near + sum(strip(near) for strip in self.strips)
        return self.conv(self.conv(around) * y)


class CAA(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv1 = self.pointwise(c)
        self.row, self.column = depthwise(c, 1, 11), depthwise(c, 11, 1)
        self.conv2 = self.pointwise(c)

    @staticmethod
    def pointwise(c):
        norm = nn.BatchNorm2d(c, eps=1e-3, momentum=0.03)
        return nn.Sequential(conv(c, c, bias=False), norm, nn.SiLU())

    def forward(self, x):
        around = self.conv1(F.avg_pool2d(x, 7, 1, 3))
        return x * torch.sigmoid(self.conv2(self.column(self.row(around))))


class LSK(nn.Module):
    def __init__(self, c):
        super().__init__()
        half = c // 2
        self.near, self.far = depthwise(c, 5), depthwise(c, 7, dilation=3)
        self.of_near, self.of_far = conv(c, half), conv(c, half)
        self.choice = conv(2, 2, 7, padding=3)
        self.out = conv(half, c)

    def forward(self, x):
        near = self.near(x)
        a, b = self.of_near(near), self.of_far(self.far(near))
        both = torch.cat([a, b], 1)
        choice = torch.sigmoid(self.choice(torch.cat([mean_of_channels(both), max_of_channels(both)], 1)))
        return x * self.out(a * choice[:, :1] + b * choice[:, 1:])


class MHSA(nn.Module):
    HEADS = 4

    def __init__(self, c, size="14"):
        super().__init__()
        rows, _, columns = size.partition("x")
        width = c // self.HEADS
        self.columns = nn.Parameter(torch.randn(1, self.HEADS, width, 1, int(columns or rows)))
        self.rows = nn.Parameter(torch.randn(1, self.HEADS, width, int(rows), 1))
        self.query, self.key, self.value = conv(c, c), conv(c, c), conv(c, c)

    def forward(self, x):
        shape = (x.size(0), self.HEADS, x.size(1) // self.HEADS, -1)
        query, key, value = (layer(x).view(shape) for layer in (self.query, self.key, self.value))
        places = (self.rows + self.columns).flatten(3)  # [1, heads, d, N]
        energy = query.transpose(2, 3) @ key + places.transpose(2, 3) @ query
        attention = torch.softmax(energy, -1)
        return (value @ attention.transpose(2, 3)).view_as(x)


class DNL(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.gamma = nn.Parameter(torch.full((1,), 0.5))
        self.query, self.key = conv(c, c // 2), conv(c, c // 2)
        self.value, self.mask = conv(c, c, bias=False), conv(c, 1)

    def forward(self, x):
        query, key, value = self.query(x).flatten(2), self.key(x).flatten(2), self.value(x).flatten(2)
        query, key = query - query.mean(2, keepdim=True), key - key.mean(2, keepdim=True)
        scores = torch.bmm(query.transpose(1, 2), key) / (query.size(1) ** 0.5 * 0.05)
        pairs = torch.bmm(value, torch.softmax(scores, -1).transpose(1, 2))
        unary = torch.bmm(value, torch.softmax(self.mask(x).flatten(2), 2).transpose(1, 2))
        return x + (self.gamma * pairs + unary).view_as(x)


class SK(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.paths = nn.ModuleList(
            nn.Sequential(
                conv(c, c, 3, padding=d, dilation=d, groups=32, bias=False), nn.BatchNorm2d(c), nn.ReLU()
            )
            for d in (1, 2)
        )
        hidden = max(32, c // 16)
        self.choice = nn.Sequential(
            conv(c, hidden, bias=False), nn.BatchNorm2d(hidden), nn.ReLU(), conv(hidden, 2 * c, bias=False)
        )

    def forward(self, x):
        a, b = (path(x) for path in self.paths)
        scores = self.choice(mean(a + b)).view(x.size(0), 2, -1, 1, 1)
        weights = torch.softmax(scores, 1)
        return a * weights[:, 0] + b * weights[:, 1]


class Splat(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.conv = conv(c, 2 * c, 3, padding=1, groups=2, bias=False)
        self.norm = nn.BatchNorm2d(2 * c)
        hidden = max(32, c * 2 // 4)
        self.choice = nn.Sequential(
            conv(c, hidden), nn.BatchNorm2d(hidden), nn.ReLU(), conv(hidden, 2 * c)
        )

    def forward(self, x):
        a, b = F.relu(self.norm(self.conv(x))).chunk(2, 1)
        scores = self.choice(mean(a + b)).view(x.size(0), 2, -1, 1, 1)
        weights = torch.softmax(scores, 1)
        return a * weights[:, 0] + b * weights[:, 1]


BY_NAME = {
    "se": SE,
    "cbam": CBAM,
    "bam": BAM,
    "pam": PAM,
    "cam": CAM,
    "nonlocal": NonLocal,
    "eca": ECA,
    "ese": ESE,
    "gct": GCT,
    "srm": SRM,
    "nam": NAM,
    "coord": CoordAtt,
    "simam": SimAM,
    "triplet": Triplet,
    "sge": SGE,
    "lka": LKA,
    "gc": GC,
    "grn": GRN,
    "scse": SCSE,
    "fca": FCA,
    "mlca": MLCA,
    "shuffle": Shuffle,
    "ema": EMA,
    "gam": GAM,
    "ela": ELA,
    "polarized": Polarized,
    "ge": GE,
    "external": External,
    "a2": A2,
    "crisscross": CrissCross,
    "strip": Strip,
    "cpca": CPCA,
    "caa": CAA,
    "lsk": LSK,
    "mhsa": MHSA,
    "dnl": DNL,
    "sk": SK,
    "splat": Splat,
}


def create(spec, c):
    """The mechanism of a spec, such as nonlocal:mode=dot_product, for c channels."""
    name, _, rest = spec.partition(":")
    options = dict(option.split("=") for option in rest.split(",") if option)
    try:
        return BY_NAME[name](c, **options)
    except (KeyError, TypeError):
        raise ValueError(f"{spec} is not written in PyTorch here") from None
