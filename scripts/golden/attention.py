"""Golden files of the attention mechanisms, for GoldenTest:

    python3 scripts/golden/attention.py attention/src/test/resources/golden [NAME ...] [--code DIR]

Writes all files of the table below, or those that are named. The top of golden.py says what a file
holds.

A mechanism is added by an entry of TABLE: its class, and a line for each file. The class is the
authors' where they have published one: a Source names the repository, the commit and the file,
which are looked for in DIR/OWNER/REPOSITORY (a git checkout, which is never part of this
repository). Without --code the entries that need a checkout are left out, and the output says so.

The reference implementations of the first seven mechanisms are in reference.py. With --code they,
and timm's, are also compared with the public code that computes the same.
"""

import functools
import math
from dataclasses import replace

from golden import Entry, Source, main
from reproducible import torch

import reference

SE = Source(
    "moskomule/senet.pytorch",
    "8cb2669fec6fa344481726f9199aa611f08c3fbd",
    "senet/se_module.py",
    "SELayer",
)
FIGHTINGCV = Source(
    "xmu-xiaoma666/External-Attention-pytorch",
    "d75848e40233ed56fa503c888472bab8b17c568c",
    "model/attention/CBAM.py",
    "CBAMBlock",
    adapted=reference.cbam_with_other_names,
)
YOLO = Source(
    "z1069614715/objectdetection_script",
    "cb1b6213eb9e8a4f2238bcbf36e831ffb84c3733",
    "cv-attention/CBAM.py",
    "CBAMBlock",
)
CHANGZY00 = Source(
    "changzy00/pytorch-attention",
    "8ce59da45dfc109b189f1c95d486d2e28031d22e",
    "attention_mechanisms/dual_attention.py",
    "CAM",
    adapted=reference.cam_with_other_names,
)
CBAM = Source(
    "pprp/awesome-attention-mechanism-in-cv",
    "59997fe4046b7d49fad8c9c492a78324208e83c4",
    "AttentionModule/CBAM/cbam.py",
)
BAM = Source(
    "Jongchan/attention-module",
    "459efad0e05ee7dde50c41ca10a3d0800bc3792a",
    "MODELS/bam.py",
    defines={"gate_activation": None},  # the file reads it and never sets it
)
DANET = Source(
    "junfu1115/DANet",
    "b0a0fa008148f102321cdaa7ca38fb0ddd0239d1",
    "encoding/nn/da_att.py",
)
NON_LOCAL = Source(
    "AlexHex7/Non-local_pytorch",
    "ec15789af4533448169f3dc36abe542badd34221",
    "lib/non_local_embedded_gaussian.py",
    "_NonLocalBlockND",
)
ECA = Source(
    "BangguWu/ECANet",
    "b332f6b3e6e2afe8a3287dc8ee8440a0fbec74c4",
    "models/eca_module.py",
    "eca_layer",
)
TIMM_ECA = Source("timm", "1.0.31", "timm/layers/eca.py", "EcaModule")
SIMAM = Source(
    "ZjjConan/SimAM",
    "ae98f43a34a051cc82f6e618853c690e1f4c92e6",
    "networks/attentions/simam_module.py",
    "simam_module",
)
GCT = Source(
    "z-x-yang/GCT",
    "68983edd87f8cfbe709b1b51214c69eb9c81abd7",
    "PyTorch/GCT.py",
    "GCT",
)
SRM = Source(
    "hyunjaelee410/style-based-recalibration-module",
    "f6221c77e797c4530dddba03616153708d636bd1",
    "models/recalibration_modules.py",
    "SRMLayer",
)
NAM = Source(
    "Christian-lyc/NAM",
    "6e8d3e321c60a9b9e4a795bfdb228caa08a076b5",
    "MODELS/attention.py",
    "Att",
)
COORD = Source(
    "houqb/CoordAttention",
    "7619bea9acbe260b3793833cc78cef3f124c8112",
    "coordatt.py",
    "CoordAtt",
)
TRIPLET = Source(
    "landskape-ai/triplet-attention",
    "2cf02fb91196408ac6352f7984a0336aa4f7677a",
    "triplet_attention.py",
    "TripletAttention",
)
SGE = Source(
    "implus/PytorchInsight",
    "2864528f8b83f52c3df76f7c3804aa468b91e5cf",
    "classification/models/imagenet/resnet_sge.py",
    "SpatialGroupEnhance",
)
LKA = Source(
    "Visual-Attention-Network/VAN-Classification",
    "e19779b53a1b0828b51ecb4412d577541aee83a7",
    "models/van.py",
    "LKA",
)
EXTERNAL = Source(
    "MenghaoGuo/EANet",
    "59c03cb0a286d3a29a797f8ea07fb89d7af56b60",
    "model_torch.py",
    "External_attention",
    defines={"math": math, "norm_layer": torch.nn.BatchNorm2d, "_BatchNorm": ()},
    alone=("External_attention",),  # the file imports a package that is not in the repository
)
DOUBLE = Source(
    "nguyenvo09/Double-Attention-Network",
    "c378693ff6c0407e9e460570b168c22e642b3f54",
    "double_attention_layer.py",
    "DoubleAttentionLayer",
)
CRISS_CROSS = Source(
    "speedinghzl/CCNet",
    "1fae6c67229c3863232494762b0afd9a8d7ff309",
    "cc_attention/functions.py",
    "CrissCrossAttention",
    defines={"INF": reference.infinity_on_diagonal},  # the file's own needs a GPU
    adapted=reference.recurrent,
)
STRIP = Source(
    "houqb/SPNet",
    "5e97da3d055449b7a159cd1d4f333c1cc3b6f8d6",
    "models/resnet.py",
    "SPBlock",
    # the class returns the gate, and the residual block multiplies
    adapted=functools.partial(reference.gated, norm_layer=torch.nn.BatchNorm2d),
)
TIMM_STRIP = Source("timm", "1.0.31", "timm/layers/coord_attn.py", "StripAttn")
CPCA = Source(
    "Cuthbert-Huang/CPCANet",
    "550b49a952c9d3da97c585e0ccb1c17a103b95c4",
    "CPCANet/nnunet/network_architecture/CPCANet.py",
    "RepBlock",
    alone=("ChannelAttention", "RepBlock"),  # the file imports all of nnU-Net
)
CAA = Source(
    "NUST-Machine-Intelligence-Laboratory/PKINet",
    "c1e72da3f63a5279facced24d0e40320a5ceaddd",
    "mmrotate/models/backbones/pkinet.py",
    "CAA",
    defines={"BaseModule": reference.BaseModule, "ConvModule": reference.ConvModule},
    alone=("CAA",),  # the file imports mmcv
    adapted=reference.gated,  # the class returns the gate
)
LSK = Source(
    "zcablii/LSKNet",
    "cbe06cabcb0be0dd94ee48b8ffcd12a9f95c85ad",
    "mmrotate/models/backbones/lsknet.py",
    "LSKblock",
    alone=("LSKblock",),  # the file imports mmcv
)
MHSA = Source(
    "leaderj1001/BottleneckTransformers",
    "142e965cd2d0b68f2000d576e25e5cf6139feed2",
    "model.py",
    "MHSA",
)
TIMM_MHSA = Source("timm", "1.0.31", "timm/layers/bottleneck_attn.py", "BottleneckAttn")
DNL = Source(
    "yinmh17/DNL-Semantic-Segmentation",
    "594a3591edeec5f9de2e91e870aa4b147c62918a",
    "model/seg/ops/nonlocal_block.py",
    "NonLocal2d_bn",
)
TIMM_SK = Source("timm", "1.0.31", "timm/layers/selective_kernel.py", "SelectiveKernel")
SPLAT = Source(
    "zhanghang1989/ResNeSt",
    "1dfb3e8867e2ece1c28a65c9db1cded2818a2031",
    "resnest/torch/models/splat.py",
    "SplAtConv2d",
    adapted=reference.split_attention,
)
TIMM_SPLAT = Source(
    "timm", "1.0.31", "timm/layers/split_attn.py", "SplitAttn", adapted=reference.timm_split_attention
)

GC = Source(
    "xvjiarui/GCNet",
    "029db5407dc27147eb1d41f62b09dfed8ec88837",
    "mmdet/ops/gcb/context_block.py",
    "ContextBlock",
    absent=("mmcv", "mmcv.cnn"),
)
GRN = Source(
    "facebookresearch/ConvNeXt-V2",
    "2553895753323c6fe0b2bf390683f5ea358a42b9",
    "models/utils.py",
    "GRN",
    absent=("MinkowskiEngine",),
    adapted=reference.channels_first,
)
SCSE = Source(
    "qubvel-org/segmentation_models.pytorch",
    "5006616357631a48c7c8e11977cf5abb00803590",
    "segmentation_models_pytorch/base/modules.py",
    "SCSEModule",
)
SCSE_MAX = Source(
    "ai-med/squeeze_and_excitation",
    "acdd26e7e3956b8e3d3b32663a784ebd64c844dd",
    "squeeze_and_excitation/squeeze_and_excitation.py",
    "ChannelSpatialSELayer",
    adapted=reference.scse_with_other_names,
)
FCA = Source(
    "cfzd/FcaNet",
    "aa5fb63505575bb4e4e094613565379c3f6ada33",
    "model/layer.py",
    "MultiSpectralAttentionLayer",
)
MLCA = Source("wandahangFY/MLCA", "afbeb47a0f140b7ac446405218ac5d993931db28", "MLCA.py", "MLCA")
MLCA_LEARNED = MLCA.of("MLCA_changed.py").named("MLCA_Changed_Option1")

SHUFFLE = Source(
    "wofmanaf/SA-Net",
    "00a676085e2ad12f3e2053109ece4840de6a5ce1",
    "models/sa_resnet.py",
    "sa_layer",
    absent=("utils",),
)
EMA = Source(
    "YOLOonMe/EMA-attention-module",
    "afc37ecf52454c03421a86105fc5c16eb4ea1ad3",
    "EMA_attention_module",
    "EMA",
)
GAM = Source(
    "northBeggar/Plug-and-Play",
    "96c81b4b26dcaa93cea7b396fdff7ef104073970",
    "00-GAM/GAM attention.py",
    "GAM_Attention",
)
POLARIZED = Source(
    "DeLightCMU/PSA",
    "20e307ad708ae6a39239aa50ffa32e0c36c92894",
    "semantic-segmentation/network/PSA.py",
)
POLARIZED_PAPER = Source(
    "xmu-xiaoma666/External-Attention-pytorch",
    "d75848e40233ed56fa503c888472bab8b17c568c",
    "model/attention/PolarizedSelfAttention.py",
)


def non_local_lines():
    for dimension, shape in [(1, (2, 16, 12)), (2, (2, 16, 8, 6)), (3, (2, 16, 4, 6, 8))]:
        for sub in (True, False):
            for bn in (True, False):
                name = f"nonlocal{dimension}d{'_sub' if sub else ''}{'_bn' if bn else ''}"
                config = dict(in_channels=16, dimension=dimension, sub_sample=sub, bn_layer=bn)
                yield name, config, shape, 20 + dimension
    config = dict(in_channels=16, inter_channels=5, dimension=2, sub_sample=False, bn_layer=True)
    yield "nonlocal2d_inter", config, (2, 16, 7, 5), 30


# The class, what public code computes the same, and for each file: its name, the arguments of the
# constructor, the input's shape, the seed, and the public code's arguments where they differ.
TABLE = [
    Entry(
        reference.SELayer,
        SE,
        ("se_r16", dict(channel=64, reduction=16), (2, 64, 9, 7), 1),
        ("se_r4", dict(channel=32, reduction=4), (3, 32, 5, 5), 2),
    ),
    Entry(
        reference.ChannelAttention,
        CBAM.named("ChannelAttention"),
        ("cbam_channel", dict(in_planes=64, ratio=16), (2, 64, 9, 7), 3),
    ),
    Entry(
        reference.SpatialAttention,
        CBAM.named("SpatialAttention"),
        ("cbam_spatial_7", dict(kernel_size=7), (2, 16, 9, 7), 4),
        ("cbam_spatial_3", dict(kernel_size=3), (2, 16, 6, 8), 5),
    ),
    Entry(
        reference.cbam,
        None,
        ("cbam", dict(planes=64), (2, 64, 9, 7), 6),
    ),
    Entry(
        FIGHTINGCV,
        None,
        (
            "cbam_residual",
            dict(channel=16, reduction=4, kernel_size=5),
            (2, 16, 7, 6),
            103,
        ),
    ),
    Entry(
        replace(YOLO, adapted=reference.cbam_with_other_names),
        None,
        (
            "cbam_spatial_bias",
            dict(channel=16, reduction=4, kernel_size=7),
            (2, 16, 7, 6),
            104,
        ),
    ),
    Entry(
        reference.ChannelGate,
        BAM.named("ChannelGate"),
        ("bam_channel", dict(gate_channel=64), (4, 64, 6, 6), 9),
        (
            "bam_channel_2",
            dict(gate_channel=32, reduction_ratio=4, num_layers=2),
            (4, 32, 6, 6),
            10,
        ),
    ),
    Entry(
        reference.SpatialGate,
        BAM.named("SpatialGate"),
        ("bam_spatial", dict(gate_channel=64), (2, 64, 12, 12), 11),
        (
            "bam_spatial_d2",
            dict(gate_channel=32, reduction_ratio=8, dilation_conv_num=3, dilation_val=2),
            (2, 32, 12, 10),
            12,
        ),
    ),
    Entry(
        reference.BAM,
        BAM.named("BAM"),
        ("bam", dict(gate_channel=64), (4, 64, 12, 12), 13),
    ),
    Entry(
        reference.PAM_Module,
        DANET.named("PAM_Module"),
        ("pam", dict(in_dim=64), (2, 64, 7, 9), 14),
    ),
    Entry(
        reference.CAM_Module,
        DANET.named("CAM_Module"),
        ("cam", dict(in_dim=24), (2, 24, 7, 9), 15),
    ),
    Entry(CHANGZY00, None, ("cam_plain", dict(), (2, 16, 3, 4), 105)),
    Entry(reference._NonLocalBlockND, NON_LOCAL, *non_local_lines()),
    Entry(
        reference.NonLocalGaussian,
        NON_LOCAL.of("lib/non_local_gaussian.py"),
        (
            "nonlocal2d_gaussian",
            dict(in_channels=8, inter_channels=8, dimension=2),
            (2, 8, 6, 4),
            31,
        ),
    ),
    Entry(
        reference.NonLocalDotProduct,
        NON_LOCAL.of("lib/non_local_dot_product.py"),
        ("nonlocal2d_dot_product", dict(in_channels=8, dimension=2), (2, 8, 6, 4), 32),
    ),
    Entry(
        reference.NonLocalConcatenation,
        NON_LOCAL.of("lib/non_local_concatenation.py"),
        ("nonlocal2d_concatenation", dict(in_channels=8, dimension=2), (2, 8, 6, 4), 33),
    ),
    Entry(
        TIMM_ECA,
        ECA,
        # without its minimum of 3 the rule gives 1 for four channels
        ("eca_c4", dict(channels=4), (2, 4, 5, 5), 40, dict(channel=4, k_size=3)),
        ("eca_c16", dict(channels=16), (2, 16, 5, 7), 41, dict(channel=16, k_size=3)),
        ("eca_c64", dict(channels=64), (2, 64, 4, 6), 42, dict(channel=64, k_size=3)),
        ("eca_c128", dict(channels=128), (2, 128, 2, 3), 43, dict(channel=128, k_size=5)),
        ("eca_k3", dict(kernel_size=3), (2, 8, 3, 4), 44, dict(channel=8, k_size=3)),
        ("eca_k5", dict(kernel_size=5), (2, 16, 5, 7), 45, dict(channel=16, k_size=5)),
    ),
    Entry(
        reference.EffectiveSqueezeExcitation,  # the authors' file needs detectron2
        None,
        ("ese", dict(channels=16), (2, 16, 5, 7), 50),
        ("ese_avgmax", dict(channels=16, with_maximum=True), (2, 16, 5, 7), 51),
    ),
    Entry(
        GCT,
        None,
        ("gct", dict(num_channels=16), (2, 16, 5, 7), 52),
        ("gct_l1", dict(num_channels=16, mode="l1"), (2, 16, 5, 7), 53),
    ),
    Entry(SRM, None, ("srm", dict(channel=16), (3, 16, 5, 7), 54)),
    Entry(NAM, None, ("nam", dict(channels=16, shape=None), (2, 16, 5, 7), 55)),
    Entry(
        COORD,
        None,
        ("coord", dict(inp=32, oup=32), (2, 32, 5, 7), 56),
        ("coord_r2", dict(inp=32, oup=32, reduction=2), (2, 32, 5, 7), 57),
    ),
    Entry(
        COORD.of("mbv2_ca.py"),
        None,
        ("coord_networks", dict(inp=16, oup=16), (2, 16, 5, 7), 101),
    ),
    Entry(
        SIMAM,
        None,
        ("simam", dict(), (2, 8, 5, 7), 58),
        ("simam_lambda", dict(e_lambda=0.1), (2, 8, 5, 7), 59),
    ),
    Entry(
        TRIPLET,
        None,
        ("triplet", dict(), (2, 8, 6, 7), 60),
        ("triplet_two", dict(no_spatial=True), (2, 8, 6, 7), 61),
    ),
    Entry(
        TRIPLET.of("MODELS/triplet_attention.py"),
        None,
        ("triplet_networks", dict(gate_channels=8), (2, 8, 5, 6), 102),
    ),
    Entry(
        SGE,
        None,
        ("sge", dict(), (2, 64, 3, 4), 62),
        ("sge_g4", dict(groups=4), (2, 16, 5, 7), 63),
    ),
    Entry(LKA, None, ("lka", dict(dim=8), (2, 8, 9, 7), 64)),
    Entry(
        GC,
        None,
        ("gc", dict(inplanes=64, ratio=1 / 16), (2, 64, 3, 4), 65),
        (
            "gc_multiply",
            dict(inplanes=16, ratio=1 / 4, fusion_types=("channel_mul",)),
            (2, 16, 5, 7),
            66,
        ),
        (
            "gc_both_average",
            dict(
                inplanes=16,
                ratio=1 / 4,
                pooling_type="avg",
                fusion_types=("channel_add", "channel_mul"),
            ),
            (2, 16, 5, 7),
            67,
        ),
    ),
    Entry(GRN, None, ("grn", dict(dim=16), (2, 16, 5, 7), 68)),
    Entry(SCSE, None, ("scse", dict(in_channels=32), (2, 32, 5, 7), 69)),
    Entry(
        SCSE_MAX,
        None,
        ("scse_max", dict(num_channels=16), (2, 16, 5, 7), 70),
    ),
    Entry(
        FCA,
        None,
        ("fca", dict(channel=32, dct_h=7, dct_w=7), (2, 32, 7, 7), 71),
        ("fca_pooled", dict(channel=32, dct_h=7, dct_w=7), (2, 32, 9, 5), 72),
        (
            "fca_low4_14",
            dict(channel=8, dct_h=14, dct_w=14, reduction=2, freq_sel_method="low4"),
            (2, 8, 14, 14),
            73,
        ),
        (
            "fca_bot32",
            dict(channel=32, dct_h=7, dct_w=7, freq_sel_method="bot32"),
            (1, 32, 7, 7),
            74,
        ),
        (
            "fca_top32",
            dict(channel=32, dct_h=7, dct_w=7, freq_sel_method="top32"),
            (1, 32, 7, 7),
            75,
        ),
        (
            "fca_low32",
            dict(channel=32, dct_h=7, dct_w=7, freq_sel_method="low32"),
            (1, 32, 7, 7),
            76,
        ),
    ),
    Entry(
        MLCA,
        None,
        ("mlca", dict(in_size=16), (2, 16, 7, 11), 77),
        ("mlca_small", dict(in_size=4, local_weight=0.3), (2, 4, 3, 4), 78),
    ),
    Entry(MLCA_LEARNED, None, ("mlca_learned", dict(in_size=8), (2, 8, 7, 5), 79)),
    Entry(
        SHUFFLE,
        None,
        ("shuffle", dict(channel=128), (2, 128, 3, 2), 80),
        ("shuffle_g4", dict(channel=16, groups=4), (2, 16, 5, 7), 81),
    ),
    Entry(
        EMA,
        None,
        ("ema", dict(channels=64), (2, 64, 3, 4), 82),
        ("ema_f4", dict(channels=16, factor=4), (2, 16, 5, 7), 83),
    ),
    Entry(GAM, None, ("gam", dict(in_channels=8, out_channels=8), (2, 8, 5, 6), 84)),
    Entry(
        reference.GlobalAttention,
        YOLO.of("cv-attention/GAM.py").named("GAM_Attention"),
        ("gam_sigmoid", dict(channels=8, sigmoid=True), (2, 8, 5, 6), 85, dict(in_channels=8)),
    ),
    Entry(
        reference.GlobalAttention,
        None,
        ("gam_groups", dict(channels=16, groups=4), (2, 16, 5, 6), 86),
    ),
    Entry(
        reference.EfficientLocalAttention,  # the only code is a listing in the paper
        None,
        ("ela_t", dict(channel=32, kernel=5, groups=32, norm_groups=32), (2, 32, 5, 7), 87),
        ("ela_b", dict(channel=16, kernel=7, groups=16, norm_groups=16), (2, 16, 5, 7), 88),
        ("ela_s", dict(channel=16, kernel=5, groups=2, norm_groups=16), (2, 16, 5, 7), 89),
        ("ela_l", dict(channel=16, kernel=7, groups=2, norm_groups=4), (2, 16, 5, 7), 90),
    ),
    Entry(
        POLARIZED.named("PSA_p"),
        None,
        ("polarized", dict(inplanes=16, planes=16), (2, 16, 5, 7), 91),
    ),
    Entry(
        POLARIZED.named("PSA_s"),
        None,
        ("polarized_sequential", dict(inplanes=32, planes=32), (2, 32, 5, 4), 92),
    ),
    Entry(
        POLARIZED_PAPER.named("ParallelPolarizedSelfAttention"),
        None,
        ("polarized_paper", dict(channel=16), (2, 16, 5, 7), 93),
    ),
    Entry(
        POLARIZED_PAPER.named("SequentialPolarizedSelfAttention"),
        None,
        ("polarized_paper_sequential", dict(channel=16), (2, 16, 5, 7), 94),
    ),
    Entry(
        reference.GatherExcite,  # timm's class, which timm from 1.0.21 on cannot build
        None,
        ("ge", dict(channels=32), (2, 32, 5, 4), 95),
        ("ge_mean", dict(channels=8, mlp=False), (2, 8, 5, 7), 96),
        ("ge_windows", dict(channels=16, extent=4), (2, 16, 10, 7), 97),
        (
            "ge_convolutions",
            dict(channels=16, extent=4, parameters=True, reduction=4),
            (2, 16, 10, 7),
            98,
        ),
        ("ge_strided", dict(channels=8, extent=2, parameters=True, mlp=False), (2, 8, 5, 7), 99),
        ("ge_whole", dict(channels=8, parameters=True, mlp=False, size=5), (4, 8, 5, 5), 100),
    ),
    Entry(EXTERNAL, None, ("external", dict(c=8), (2, 8, 5, 7), 70)),
    Entry(
        reference.ExternalMemory,
        None,
        ("external_memory", dict(channels=8, size=16), (2, 8, 5, 7), 71),
    ),
    Entry(
        DOUBLE,
        None,
        ("a2", dict(in_channels=16, c_m=4, c_n=4, reconstruct=True), (2, 16, 5, 7), 72),
        ("a2_r2", dict(in_channels=16, c_m=8, c_n=8, reconstruct=True), (2, 16, 5, 7), 73),
    ),
    Entry(
        CRISS_CROSS,
        None,
        ("crisscross", dict(in_dim=16, recurrence=2), (2, 16, 5, 7), 74),
        ("crisscross_once", dict(in_dim=16, recurrence=1), (2, 16, 5, 7), 75),
    ),
    Entry(STRIP, None, ("strip", dict(inplanes=8, outplanes=8), (2, 8, 5, 7), 76)),
    Entry(
        TIMM_STRIP,
        None,
        ("strip_timm", dict(channels=8), (2, 8, 5, 7), 77),
        ("strip_timm_k5", dict(channels=8, kernel_size=5), (2, 8, 5, 7), 78),
    ),
    Entry(
        CPCA,
        None,
        ("cpca", dict(in_channels=8, out_channels=8), (2, 8, 9, 7), 79),
        (
            "cpca_r2",
            dict(in_channels=8, out_channels=8, channelAttention_reduce=2),
            (2, 8, 5, 12),
            80,
        ),
    ),
    Entry(
        CAA,
        None,
        ("caa", dict(channels=8), (2, 8, 9, 7), 81),
        ("caa_default", dict(channels=8, norm_cfg=dict(type="BN")), (2, 8, 9, 7), 82),
        (
            "caa_plain",
            dict(channels=8, h_kernel_size=13, v_kernel_size=13, norm_cfg=None, act_cfg=None),
            (2, 8, 9, 7),
            83,
        ),
    ),
    Entry(LSK, None, ("lsk", dict(dim=8), (2, 8, 9, 7), 84)),
    Entry(
        MHSA,
        None,
        ("mhsa", dict(n_dims=16, width=5, height=6, heads=4), (2, 16, 5, 6), 85),
        ("mhsa_h2", dict(n_dims=16, width=6, height=4, heads=2), (2, 16, 6, 4), 86),
    ),
    Entry(
        reference.SelfAttention,
        None,
        (
            "mhsa_bot",
            dict(channels=16, rows=5, columns=6, heads=4, with_positions=True),
            (2, 16, 5, 6),
            87,
        ),
        (
            "mhsa_none",
            dict(channels=16, rows=5, columns=6, heads=4, with_positions=False),
            (2, 16, 5, 6),
            88,
        ),
    ),
    Entry(
        TIMM_MHSA,
        None,
        ("mhsa_relative", dict(dim=16, feat_size=(5, 6), num_heads=4), (2, 16, 5, 6), 89),
        (
            "mhsa_relative_all",
            dict(dim=16, feat_size=(4, 6), num_heads=2, scale_pos_embed=True),
            (2, 16, 4, 6),
            90,
        ),
    ),
    Entry(
        DNL,
        None,
        (
            "dnl",
            dict(inplanes=8, planes=4, downsample=False, temperature=0.05, with_gc=True),
            (2, 8, 5, 7),
            91,
        ),
        ("dnl_pairs", dict(inplanes=8, planes=4), (2, 8, 5, 7), 92),
        (
            "dnl_ade",
            dict(inplanes=8, planes=2, downsample=False, temperature=0.1, with_gc=True),
            (2, 8, 5, 7),
            93,
        ),
    ),
    Entry(
        TIMM_SK,
        None,
        (
            "sk",
            dict(in_channels=32, split_input=False, groups=32, rd_channels=32),
            (3, 32, 5, 4),
            94,
        ),
        (
            "sk_paths",
            dict(in_channels=8, kernel_size=[3, 5, 7], split_input=False, groups=4, rd_channels=32),
            (3, 8, 5, 7),
            95,
        ),
        ("sk_split", dict(in_channels=16), (3, 16, 5, 4), 96),
        (
            "sk_steps",
            dict(
                in_channels=8, split_input=False, groups=8, rd_channels=32, stride=2, dilation=2
            ),
            (3, 8, 7, 8),
            97,
        ),
    ),
    Entry(
        SPLAT,
        TIMM_SPLAT,
        ("splat", dict(channels=8), (3, 8, 5, 7), 98),
        ("splat_groups", dict(channels=8, radix=2, groups=2), (3, 8, 5, 7), 99),
        ("splat_one", dict(channels=8, radix=1), (3, 8, 5, 7), 100),
        ("splat_steps", dict(channels=8, stride=2, dilation=2), (3, 8, 7, 8), 101),
    ),
]


if __name__ == "__main__":
    main(__doc__, TABLE)
