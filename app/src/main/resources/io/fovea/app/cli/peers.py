"""Measures the mechanisms of "fovea bench" as they are written in PyTorch, for "fovea bench --peers".

Each line of standard input asks for one measurement, as JSON: module, shape, threads, compile, seconds.
The answer is a line: the medians of inference (evaluation mode, no gradients) and of training (forward
and backward pass, with the gradient of the input) in milliseconds, or an error. The first line that is
written describes this PyTorch.
"""

import json
import statistics
import sys
import time

try:
    import torch
    import torch.nn as nn
    import torch.nn.functional as F
except ImportError as e:
    print(json.dumps({"error": str(e)}), flush=True)
    sys.exit(1)


def conv(inputs, outputs, kernel=1, **options):
    return nn.Conv2d(inputs, outputs, kernel, **options)


class SE(nn.Module):
    def __init__(self, c, block):
        super().__init__()
        self.fc = nn.Sequential(
            nn.Linear(c, c // 16, bias=False), nn.ReLU(), nn.Linear(c // 16, c, bias=False), nn.Sigmoid()
        )
        self.block = block

    def forward(self, x, shortcut=None):
        y = x * self.fc(x.mean((2, 3)))[:, :, None, None]
        return F.relu(y + shortcut) if self.block else y


class CBAM(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.mlp = nn.Sequential(conv(c, c // 16, bias=False), nn.ReLU(), conv(c // 16, c, bias=False))
        self.spatial = conv(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        x = x * torch.sigmoid(self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1)))
        pooled = torch.cat([x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]], 1)
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
    def __init__(self, c, mode, subsample):
        super().__init__()
        inter = c // 2
        self.mode = mode
        self.g, self.theta, self.phi = conv(c, inter), conv(c, inter), conv(c, inter)
        self.pool = nn.MaxPool2d(2) if subsample else nn.Identity()
        self.project = nn.Conv2d(2 * inter, 1, 1, bias=False) if mode == "concatenation" else None
        self.out = nn.Sequential(conv(inter, c), nn.BatchNorm2d(c))

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


def module(text, c):
    name, _, rest = text.removesuffix(" + block").partition(":")
    block = text.endswith(" + block")
    options = dict(option.split("=") for option in rest.split(",") if option)
    if name == "nonlocal" and set(options) <= {"mode", "subsample"}:
        mode = options.get("mode", "embedded_gaussian")
        if mode in ("embedded_gaussian", "dot_product", "concatenation"):
            return NonLocal(c, mode, options.get("subsample", "true") == "true")
    elif not options and name == "se":
        return SE(c, block)
    elif not options and not block and name in ("cbam", "bam", "pam", "cam"):
        return {"cbam": CBAM, "bam": BAM, "pam": PAM, "cam": CAM}[name](c)
    raise ValueError(f"{text} is not written in PyTorch here")


def median(call, seconds):
    for _ in range(3):
        call()
    times, end = [], time.perf_counter() + seconds
    while time.perf_counter() < end or len(times) < 5:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def measure(request):
    torch.set_num_threads(request["threads"])
    torch.manual_seed(1)
    shape = request["shape"]
    network = module(request["module"], shape[1])
    inputs = [torch.randn(shape) for _ in range(2 if getattr(network, "block", False) else 1)]
    call = torch.compile(network) if request["compile"] else network

    def infer():
        with torch.no_grad():
            call(*inputs)

    def train():
        for tensor in [*network.parameters(), *inputs]:
            tensor.grad = None
        call(*inputs).backward(gradient)

    network.eval()
    inference = median(infer, request["seconds"] / 2)
    network.train()
    for tensor in inputs:
        tensor.requires_grad_()
    gradient = torch.randn(shape)
    return {"inference": inference, "training": median(train, request["seconds"] / 2)}


def main():
    blas = "MKL" if torch.backends.mkl.is_available() else "no MKL"
    print(json.dumps({"torch": torch.__version__, "blas": blas}), flush=True)
    for line in sys.stdin:
        try:
            answer = measure(json.loads(line))
        except Exception as e:
            answer = {"error": f"{type(e).__name__}: {e}".splitlines()[0]}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
