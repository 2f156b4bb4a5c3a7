"""What video-nonlocal-net computes, for ForeignVideoTest: golden/video_nonlocal_net.json.

    python2.7 scripts/golden/video_nonlocal_net.py DIR models/src/test/resources/golden/video_nonlocal_net.json

DIR is a checkout of facebookresearch/video-nonlocal-net. Its networks are for Caffe2, which torch 1.4.0 of PyPI has for
Python 2.7, with numpy 1.16.6, protobuf 3.17.3, future, six and PyYAML. Both sides fill the weights by rule from their
names (as filling.py does), so that the file holds the names and shapes and some of the features behind the last stage:
the pooling behind it takes maps of 7 x 7, and the clips here are smaller. Caffe2 computes in float32.
"""

from __future__ import print_function

import json
import os
import sys
import zlib

import numpy

sys.path.insert(0, os.path.join(sys.argv[1], "lib"))

import caffe2  # noqa: F401
from caffe2.python import core, workspace
from core.config import config as cfg
from models import model_builder_video, resnet_video, resnet_video_org

SIDES = (40, 57)
STEP = 97


def uniform(name, count):
    mask = numpy.uint64(0xFFFFFFFF)
    start = numpy.uint64(zlib.crc32(name.encode("utf-8")) & 0xFFFFFFFF)
    x = (numpy.arange(count, dtype=numpy.uint64) + start) & mask
    sixteen, thirteen = numpy.uint64(16), numpy.uint64(13)
    x = ((x ^ (x >> sixteen)) * numpy.uint64(0x85EBCA6B)) & mask
    x = ((x ^ (x >> thirteen)) * numpy.uint64(0xC2B2AE35)) & mask
    x = x ^ (x >> sixteen)
    return x.astype(numpy.float64) / 2**31 - 1


def filled(name, shape):
    count = int(numpy.prod(shape))
    values = uniform(name, count).reshape(shape)
    if name.endswith("_rm") or name.endswith("_b"):
        return values / 10
    if len(shape) < 2:  # the scale or the variance of a batch norm
        return 1 + values / 2
    small = 0.1 if name.startswith("nonlocal") else 0.5  # or a softmax has one large value only
    return small * values * (6.0 / (count // shape[0])) ** 0.5


def golden(definition, arc, frames, depth=50, nonlocal_blocks=True):
    workspace.ResetWorkspace()
    cfg.NUM_GPUS = 1
    cfg.SOLVER.STEPS = [0]
    cfg.TRAIN.BATCH_SIZE = 2
    cfg.TRAIN.VIDEO_LENGTH = frames
    cfg.MODEL.DEPTH = depth
    cfg.MODEL.NUM_CLASSES = 5
    cfg.MODEL.VIDEO_ARC_CHOICE = arc
    cfg.MODEL.BN_EPSILON = 1.0000001e-5
    cfg.RESNETS.TRANS_FUNC = "bottleneck_transformation_3d"
    cfg.NONLOCAL.CONV3_NONLOCAL = nonlocal_blocks
    cfg.NONLOCAL.CONV4_NONLOCAL = nonlocal_blocks
    model = model_builder_video.ModelBuilder(name="golden", train=False, split="val")
    definition.create_model(model, "data", "labels", "val")
    workspace.RunNetOnce(model.param_init_net)
    state = {}
    for blob in model.GetAllParams():
        name = str(blob)
        shape = workspace.FetchBlob(name).shape
        state[name] = list(shape)
        workspace.FeedBlob(name, filled(name, shape).astype(numpy.float32))
    clip = uniform("clip", 2 * 3 * frames * SIDES[0] * SIDES[1])
    workspace.FeedBlob("data", clip.reshape((2, 3, frames) + SIDES).astype(numpy.float32))
    net = model.net.Proto()
    last = [i for i, op in enumerate(net.op) if op.type == "AveragePool"][0]
    features = net.op[last].input[0]
    del net.op[last:]
    for op in net.op:
        op.engine = ""
    workspace.RunNetOnce(net)
    values = workspace.FetchBlob(features)
    return {
        "frames": frames,
        "state": state,
        "shape": list(values.shape),
        "features": [float("%.7g" % value) for value in values.flatten()[::STEP]],
    }


def main(out):
    networks = [
        ("c2d_nonlocal", lambda: golden(resnet_video, 1, 8)),
        ("i3d_nonlocal", lambda: golden(resnet_video, 2, 8)),
        ("i3d_nonlocal_long", lambda: golden(resnet_video_org, 2, 32)),
        ("c2d_long", lambda: golden(resnet_video_org, 1, 32, nonlocal_blocks=False)),
    ]
    with open(out, "w") as file:
        file.write('{"made_with": "Caffe2 of torch 1.4.0, video-nonlocal-net c253ed5"')
        for name, make in networks:
            entry = json.dumps(make(), separators=(",", ":"), sort_keys=True)
            file.write(',\n"%s": %s' % (name, entry))
        file.write("}\n")


main(sys.argv[2])
