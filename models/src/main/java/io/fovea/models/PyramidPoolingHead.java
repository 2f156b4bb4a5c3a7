package io.fovea.models;

import io.fovea.nn.Fusing;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.ArrayList;
import java.util.List;
import org.bytedeco.pytorch.Module;

/**
 * The pyramid of means of PSPNet: the means of 1, 4, 9 and 36 parts of the feature map, beside the map
 * itself.
 *
 * <p>Zhao, Shi, Qi, Wang, Jia: <a href="https://arxiv.org/abs/1612.01105">Pyramid Scene Parsing
 * Network</a>, figure 3. As the authors' code ({@code hszhao/semseg}, whose names it has), for 2048
 * channels; for fewer, all widths are in proportion.
 */
final class PyramidPoolingHead extends SegmentationHead.Equation {
  static final List<String> CLASSIFIERS = List.of("cls.4", "aux.4");

  private static final int[] PARTS = {1, 2, 3, 6};
  private static final double DROPOUT = 0.1;

  private final Module ppm;
  private final Module features;
  private final List<Sequence> means = new ArrayList<>();
  private final Sequence cls;
  private final Sequence aux;
  private final boolean alignsCorners;

  PyramidPoolingHead(Sizes sizes) {
    super("PyramidPoolingHead");
    alignsCorners = sizes.alignsCorners();
    int each = sizes.part(PARTS.length);
    ppm = register_module("ppm", new Module("PyramidPooling"));
    features = ppm.register_module("features", new Module("Means"));
    for (int i = 0; i < PARTS.length; i++) {
      means.add(features.register_module(Integer.toString(i), ofMeans(sizes.last(), each)));
    }
    int inter = sizes.part(4);
    cls =
        register_module(
            "cls",
            convolution(sizes.last() + PARTS.length * each, inter, 3)
                .add("3", dropout(DROPOUT, true))
                .add("4", classifier(inter, sizes.classes())));
    aux = register_module("aux", auxiliary(sizes, dropout(DROPOUT, true)));
    startDropout();
  }

  @Override
  <T> List<T> scores(Ops<T> ops, T earlier, T last, boolean auxiliary) {
    T all = last;
    for (int i = 0; i < PARTS.length; i++) {
      T mean = means.get(i).apply(ops, ops.adaptiveAverage(last, PARTS[i], PARTS[i]));
      all = ops.concat(1, all, ops.bilinear(mean, last, alignsCorners));
    }
    T main = cls.apply(ops, all);
    return auxiliary ? List.of(main, aux.apply(ops, earlier)) : List.of(main);
  }

  @Override
  void fuse(Fusing fusing) {
    means.forEach(fusing::add);
    fusing.add(cls);
  }
}
