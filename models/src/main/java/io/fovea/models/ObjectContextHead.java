package io.fovea.models;

import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.List;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * Object-contextual representations: each position attends to one description of each class, the mean
 * of the positions that first scores give to this class.
 *
 * <p>Yuan, Chen, Wang: <a href="https://arxiv.org/abs/1909.11065">Object-Contextual Representations for
 * Semantic Segmentation</a>, equations 2 to 5. As the authors' code ({@code
 * HRNet/HRNet-Semantic-Segmentation}, branch HRNet-OCR, whose names it has): the first scores come from
 * the same feature map. The widths are a quarter and an eighth of the map's, 512 and 256 for 2048. In
 * MMSegmentation's form, a 3x3 convolution of the stage before gives the first scores.
 */
final class ObjectContextHead extends SegmentationHead.Equation {
  static final List<String> CLASSIFIERS = List.of("aux_head.3", "cls_head");

  private static final String ATTENDING = "head.ocr_distri_head.object_context_block";
  private static final double DROPOUT = 0.05;

  private final Sequence auxHead;
  private final Sequence conv3x3;
  private final Module distribute;
  private final Module block;
  private final Layer pixel;
  private final Layer object;
  private final Layer down;
  private final Layer up;
  private final Sequence fusion;
  private final Layer clsHead;
  private final double scale;
  private final boolean firstFromEarlier;

  ObjectContextHead(Sizes sizes) {
    super("ObjectContextHead");
    firstFromEarlier = sizes.ofMmsegmentation();
    int in = sizes.last();
    int middle = sizes.part(4);
    int keys = sizes.part(8);
    conv3x3 =
        register_module(
            "conv3x3_ocr",
            normalised(Convolution.builder(2, in, middle, 3).padding(1).build(), middle, 0));
    distribute = register_module("ocr_distri_head", new Module("SpatialOcr"));
    block = distribute.register_module("object_context_block", new Module("ObjectAttention"));
    pixel = block.register_module("f_pixel", twice(middle, keys));
    object = block.register_module("f_object", twice(middle, keys));
    down = block.register_module("f_down", once(middle, keys));
    up = block.register_module("f_up", once(keys, middle));
    fusion =
        distribute.register_module(
            "conv_bn_dropout", once(2 * middle, middle).add("2", dropout(DROPOUT, true)));
    clsHead = register_module("cls_head", classifier(middle, sizes.classes()));
    auxHead =
        register_module(
            "aux_head",
            firstFromEarlier
                ? convolution(sizes.earlier(), Math.max(1, sizes.earlier() / 4), 3)
                    .add("3", classifier(Math.max(1, sizes.earlier() / 4), sizes.classes()))
                : normalised(Convolution.builder(2, in, in, 1).build(), in, 0)
                    .add("3", classifier(in, sizes.classes())));
    scale = 1 / Math.sqrt(keys);
    startDropout();
  }

  private static Sequence once(int in, int out) {
    return new Sequence()
        .add("0", Convolution.builder(2, in, out, 1).bias(false).build())
        .add("1", normAndRelu(out));
  }

  private static Sequence twice(int in, int out) {
    return once(in, out)
        .add("2", Convolution.builder(2, out, out, 1).bias(false).build())
        .add("3", normAndRelu(out));
  }

  @Override
  <T> List<T> scores(Ops<T> ops, T earlier, T last, boolean auxiliary) {
    T first = auxHead.apply(ops, firstFromEarlier ? earlier : last); // [B, K, H, W]
    T x = conv3x3.apply(ops, last); // [B, M, H, W]
    T shares = ops.softmax(ops.flatten(first), 2); // of the positions in each class, [B, K, N]
    T means = ops.matmul(ops.flatten(x), ops.transpose(shares)); // [B, M, K]
    T objects = ops.reshape(means, 0, 0, -1, 1); // [B, M, K, 1]
    T queries = ops.mul(pixel.apply(ops, x), scale);
    HeadAttention.Part<T> part =
        new HeadAttention.Part<>(
            ATTENDING, queries, object.apply(ops, objects), down.apply(ops, objects));
    T context = up.apply(ops, part.attended(ops)); // [B, M, H, W]
    part.show(ops, x, context, x, () -> (Tensor) shares);
    T main = clsHead.apply(ops, fusion.apply(ops, ops.concat(1, context, x)));
    return auxiliary ? List.of(main, first) : List.of(main);
  }

  @Override
  List<String> attending() {
    return List.of(ATTENDING);
  }

  @Override
  void fuse(Fusing fusing) {
    fusing.add(auxHead);
    fusing.add(conv3x3);
  }
}
