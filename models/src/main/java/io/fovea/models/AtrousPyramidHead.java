package io.fovea.models;

import io.fovea.nn.Activation;
import io.fovea.nn.BatchNorm;
import io.fovea.nn.Convolution;
import io.fovea.nn.Fusing;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Module;

/**
 * The atrous spatial pyramid pooling of DeepLabv3: convolutions with several dilations and the mean of
 * the whole map, side by side.
 *
 * <p>Chen, Papandreou, Schroff, Adam: <a href="https://arxiv.org/abs/1706.05587">Rethinking Atrous
 * Convolution</a>, section 3.3. As torchvision's {@code DeepLabHead} and {@code FCNHead}, with their
 * names, for 2048 channels; for fewer, all widths are in proportion. The dilations are 12, 24 and 36 for
 * an output stride of 8, and in proportion for others, as in the paper.
 *
 * <p>In MMSegmentation's form ({@code ASPPHead}) the parts have twice as many channels, the mean of the
 * whole map is the first of them, and the convolution that joins them is 3x3 and the last one.
 */
final class AtrousPyramidHead extends SegmentationHead.Equation {
  static final List<String> CLASSIFIERS = List.of("4", "aux.4");

  private static final int DILATION = 12;
  private static final int STRIDE_OF_DILATION = 8;
  private static final int DILATED = 3;
  private static final double DROPOUT = 0.5;
  private static final double AUXILIARY_DROPOUT = 0.1;

  private final Module pyramid;
  private final Module convs;
  private final List<Sequence> parts = new ArrayList<>();
  private final Sequence mean;
  private final Sequence project;
  private final boolean meanFirst;
  private final Convolution conv; // null in MMSegmentation's form, as its batch norm
  private final BatchNorm norm;
  private final Layer classifier;
  private final Sequence aux;

  AtrousPyramidHead(Sizes sizes) {
    super("AtrousPyramidHead");
    int in = sizes.last();
    meanFirst = sizes.ofMmsegmentation();
    int inter = sizes.part(meanFirst ? 4 : 8);
    pyramid = register_module("0", new Module("AtrousPyramid"));
    convs = pyramid.register_module("convs", new Module("Convolutions"));
    parts.add(convs.register_module("0", convolution(in, inter, 1)));
    int step = Math.max(1, DILATION * STRIDE_OF_DILATION / sizes.outputStride());
    for (int i = 1; i <= DILATED; i++) {
      parts.add(convs.register_module(Integer.toString(i), dilated(in, inter, i * step)));
    }
    mean = convs.register_module(Integer.toString(DILATED + 1), ofMeans(in, inter));
    project =
        pyramid.register_module(
            "project",
            meanFirst
                ? convolution((DILATED + 2) * inter, inter, 3)
                    .add("3", dropout(AUXILIARY_DROPOUT, true))
                : convolution((DILATED + 2) * inter, inter, 1).add("3", dropout(DROPOUT, false)));
    conv =
        meanFirst
            ? null
            : register_module(
                "1", Convolution.builder(2, inter, inter, 3).padding(1).bias(false).build());
    norm = meanFirst ? null : register_module("2", new BatchNorm(inter));
    classifier = register_module("4", classifier(inter, sizes.classes()));
    aux = register_module("aux", auxiliary(sizes, dropout(AUXILIARY_DROPOUT, false)));
    startDropout();
  }

  /** That of torchvision's training. */
  @Override
  double auxiliaryWeight() {
    return 0.5;
  }

  private static Sequence dilated(int in, int out, int dilation) {
    return normalised(
        Convolution.builder(2, in, out, 3).padding(dilation).dilation(dilation).bias(false).build(),
        out,
        0);
  }

  @Override
  <T> List<T> scores(Ops<T> ops, T earlier, T last, boolean auxiliary) {
    T all = parts.get(0).apply(ops, last);
    for (Sequence part : parts.subList(1, parts.size())) {
      all = ops.concat(1, all, part.apply(ops, last));
    }
    T whole =
        ops.bilinear(mean.apply(ops, ops.adaptiveAverage(last, 1, 1)), last, false); // constant
    all = meanFirst ? ops.concat(1, whole, all) : ops.concat(1, all, whole);
    T projected = project.apply(ops, all);
    T main =
        classifier.apply(
            ops,
            conv == null
                ? projected
                : ops.convolution(conv, norm, Activation.RELU_IN_PLACE, projected));
    return auxiliary ? List.of(main, aux.apply(ops, earlier)) : List.of(main);
  }

  @Override
  void fuse(Fusing fusing) {
    parts.forEach(fusing::add);
    fusing.add(mean);
    fusing.add(project);
    if (conv != null) {
      fusing.add(conv, norm);
    }
  }
}
