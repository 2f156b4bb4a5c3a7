package io.fovea.models;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.nn.Fusing;
import io.fovea.nn.Graph;
import io.fovea.nn.Graph.Value;
import io.fovea.nn.GraphOps;
import io.fovea.nn.Layer;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import io.fovea.nn.TensorOps;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Tensor;

/**
 * DANet's head, and those like it: parallel branches, each with a convolution, attention, another
 * convolution and a classifier, and a classifier for their sum. In MMSegmentation's form, one more
 * convolution joins the result of a single branch with the input; in torchvision's, there is no second
 * convolution.
 */
final class BranchHead extends SegmentationHead {
  /** The name of the convolution that joins a branch with its input, MMSegmentation's. */
  static final String JOINT = "conv_cat";

  private static final double DROPOUT = 0.1;

  /** The names of a branch in the authors' code. */
  private record Names(String before, String attention, String after, String classifier) {
    /**
     * DANet's names for the layers around its modules; other mechanisms have a branch of their
     * own.
     */
    private static final Map<String, Names> OF_DANET =
        Map.of(
            "sa", new Names("conv5a", "sa", "conv51", "conv6"),
            "sc", new Names("conv5c", "sc", "conv52", "conv7"));

    static Names around(String attention) {
      return OF_DANET.getOrDefault(attention, new Names("conv5", attention, "conv51", "conv8"));
    }
  }

  /**
   * A branch.
   *
   * @param attention its attention, or null
   * @param after the second convolution, or null
   * @param joint the convolution that joins its result with its input, or null
   */
  private record Branch(
      Layer before, Attention attention, Layer after, Layer joint, Layer classifier) {
    Tensor features(Tensor x) {
      Tensor y = before.forward(x);
      return end(TensorOps.PLAIN, x, attention == null ? y : attention.forward(y));
    }

    Value write(Graph graph, Value x) {
      Value y = before.write(graph, x);
      GraphOps ops = new GraphOps(graph, IMAGE_RANK);
      return end(ops, x, attention == null ? y : attention.write(graph, y));
    }

    private <T> T end(Ops<T> ops, T x, T attended) {
      T y = after == null ? attended : after.apply(ops, attended);
      return joint == null ? y : joint.apply(ops, ops.concat(1, x, y));
    }
  }

  private final List<Branch> branches = new ArrayList<>();
  private final Layer sum;
  private final Map<String, Attention> attentions = new LinkedHashMap<>();

  BranchHead(Sizes sizes, AttentionSpec attention) {
    super("Head");
    if (attention == null) {
      add(sizes, new Names("conv5", null, "conv51", "conv8"), null, true);
    } else {
      List<AttentionSpec> parts = attention.mechanism().parts(attention);
      for (AttentionSpec part : parts) {
        add(sizes, Names.around(part.mechanism().partName()), part, parts.size() == 1);
      }
    }
    sum =
        branches.size() > 1
            ? register_module("conv8", scorer(sizes.part(4), sizes.classes()))
            : null;
    startDropout();
  }

  private void add(Sizes sizes, Names names, AttentionSpec spec, boolean only) {
    int inter = sizes.part(4);
    Layer before = register_module(names.before, convolution(sizes.last(), inter, 3));
    Attention attention = null;
    if (spec != null) {
      attention = register_module(names.attention, spec.fitting(inter, 2, 0).create(inter, 2));
      attentions.put("head." + names.attention, attention);
    }
    Layer after =
        spec == null && sizes.form() == SegmenterForm.TORCHVISION
            ? null
            : register_module(names.after, convolution(inter, inter, 3));
    Layer joint =
        only && sizes.ofMmsegmentation()
            ? register_module(JOINT, convolution(sizes.last() + inter, inter, 3))
            : null;
    Layer classifier = register_module(names.classifier, scorer(inter, sizes.classes()));
    branches.add(new Branch(before, attention, after, joint, classifier));
  }

  private Layer scorer(int in, int classes) {
    return new Sequence().add("0", dropout(DROPOUT, true)).add("1", classifier(in, classes));
  }

  @Override
  double auxiliaryWeight() {
    return 1;
  }

  @Override
  Map<String, Attention> attentions() {
    return attentions;
  }

  @Override
  void fuse(Fusing fusing) {
    branches.forEach(
        branch -> {
          fusing.add(branch.before);
          if (branch.after != null) {
            fusing.add(branch.after);
          }
          if (branch.joint != null) {
            fusing.add(branch.joint);
          }
        });
  }

  @Override
  Value write(Graph graph, List<Value> features) {
    return graph.in(this, () -> nodes(graph, features.get(1)));
  }

  private Value nodes(Graph graph, Value x) {
    List<Value> seen = branches.stream().map(branch -> branch.write(graph, x)).toList();
    return sum == null
        ? branches.get(0).classifier.write(graph, seen.get(0))
        : sum.write(graph, seen.stream().reduce((a, b) -> graph.node("Add", a, b)).orElseThrow());
  }

  /** The main scores first, then those of the branches if there are two. */
  @Override
  List<Tensor> forward(List<Tensor> features, boolean auxiliary) {
    Tensor x = features.get(1);
    List<Tensor> seen = branches.stream().map(branch -> branch.features(x)).toList();
    List<Tensor> scores = new ArrayList<>();
    if (sum != null) {
      scores.add(sum.forward(seen.stream().reduce(Tensor::add).orElseThrow()));
      if (!auxiliary) {
        return scores;
      }
    }
    for (int i = 0; i < branches.size(); i++) {
      scores.add(branches.get(i).classifier.forward(seen.get(i)));
    }
    return scores;
  }
}
