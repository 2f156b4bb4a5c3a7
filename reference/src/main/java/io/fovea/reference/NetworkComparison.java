package io.fovea.reference;

import io.fovea.attention.AttentionSpec;
import io.fovea.errors.SpecException;
import io.fovea.models.Classifier;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Precision;
import io.fovea.models.ResNet;
import io.fovea.models.placement.Placement;
import io.fovea.models.weights.StateDict;
import java.util.List;
import java.util.function.UnaryOperator;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.SGD;
import org.bytedeco.pytorch.SGDOptions;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Holds one network twice, Fovea's and the reference's, with the same parameters and the same
 * images. The open {@code PointerScope} owns both.
 */
final class NetworkComparison {
  private static final int CLASSES = 10;
  private static final double RATE = 1e-4;

  private final Classifier network;
  private final ReferenceNetwork code;
  private final Tensor images;
  private final Tensor labels;
  private final SGD foveaSteps;
  private final SGD referenceSteps;
  private FusedNetwork fused;

  /** Creates both networks in float32 and in training mode. */
  NetworkComparison(String name, Precision precision, long... shape) {
    this(name, precision, ScalarType.Float, shape);
  }

  /**
   * Creates both networks in training mode. The values do not depend on the type.
   *
   * @param name the attention and the backbone, such as {@code se-resnet50}
   * @param precision the precision of Fovea's network
   * @param type the type of all parameters and images
   * @param shape the shape of the images, {@code [B, C, H, W]}
   * @throws SpecException if the network does not exist or has no reference implementation
   */
  NetworkComparison(String name, Precision precision, ScalarType type, long... shape) {
    int dash = name.indexOf('-');
    if (dash < 0) {
      throw new SpecException(
          "expected a network like se-resnet50 (attention, backbone), got \"" + name + "\"");
    }
    String attention = name.substring(0, dash);
    torch.manual_seed(1);
    ResNet.Builder builder =
        ResNet.builder(name.substring(dash + 1)).channels((int) shape[1]).classes(CLASSES);
    if (builder.isVideo()) {
      throw new SpecException(name + " is a video network, which this command does not measure");
    }
    if (!attention.equals("none")) {
      builder.attention(AttentionSpec.parse(attention), Placement.standard());
    }
    network = builder.build();
    network.to(type, false);
    code = new ReferenceNetwork(network);
    network.setPrecision(precision);
    images = torch.randn(shape).to(type);
    labels = torch.randint(CLASSES, new long[] {shape[0]}, new TensorOptions(ScalarType.Long));
    foveaSteps = descent(List.copyOf(StateDict.parameters(network).values()));
    referenceSteps = descent(code.parameters());
  }

  private static SGD descent(List<Tensor> parameters) {
    SGDOptions options = new SGDOptions(RATE);
    options.momentum().put(0.9);
    options.weight_decay().put(5e-4);
    return new SGD(new TensorVector(parameters.toArray(new Tensor[0])), options);
  }

  /** Switches both between training and evaluation mode. */
  NetworkComparison train(boolean training) {
    if (fused != null) {
      fused.close();
      fused = null;
    }
    network.train(training);
    code.train(training);
    if (!training) {
      fused = network.fuse();
    }
    return this;
  }

  /** The scores of the fused network in evaluation mode. */
  Tensor foveaScores() {
    return fused.infer(() -> network.forward(images));
  }

  /** The reference's scores in evaluation mode. */
  Tensor referenceScores() {
    try (NoGradGuard guard = new NoGradGuard()) {
      return code.forward(images);
    }
  }

  /** Runs a training step. Returns the scores before it. */
  Tensor foveaStep() {
    return step(network::forward, foveaSteps);
  }

  /** Runs a training step of the reference. */
  Tensor referenceStep() {
    return step(code::forward, referenceSteps);
  }

  private Tensor step(UnaryOperator<Tensor> forward, SGD steps) {
    steps.zero_grad();
    Tensor scores = forward.apply(images);
    torch.cross_entropy_loss(scores, labels).backward();
    steps.step();
    return scores;
  }

  /** The largest difference of the scores, relative to the largest score of the reference. */
  static double difference(Tensor fovea, Tensor reference) {
    double largest = reference.detach().abs().max().item_double();
    return fovea.sub(reference).detach().abs().max().item_double() / largest;
  }

  /** The gradient of the first convolution after Fovea's last step. */
  Tensor foveaGradient() {
    return StateDict.parameters(network).get("conv1.weight").grad();
  }

  /** The gradient of the first convolution after the reference implementation's last step. */
  Tensor referenceGradient() {
    return code.parameters().get(0).grad();
  }
}
