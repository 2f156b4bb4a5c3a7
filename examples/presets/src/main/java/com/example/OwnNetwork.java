package com.example;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.attention.AttentionSpec;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.AdamW;
import org.bytedeco.pytorch.AdamWOptions;
import org.bytedeco.pytorch.Conv2dImpl;
import org.bytedeco.pytorch.Conv2dOptions;
import org.bytedeco.pytorch.LinearImpl;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * Attention inside a network that is written with the presets of libtorch, and trained by a loop of
 * its own: does a bright square lie in the left or in the right half of a noisy image?
 */
public final class OwnNetwork extends Module {
  private final Conv2dImpl convolution;
  private final Attention attention;
  private final LinearImpl classifier;

  OwnNetwork(String mechanism) {
    super("OwnNetwork");
    Conv2dOptions options = new Conv2dOptions(1, 16, new LongPointer(3, 3));
    options.padding().put(new LongPointer(1, 1));
    convolution = register_module("convolution", new Conv2dImpl(options));
    // 16 channels, 2 spatial dimensions. It is held in a field, as every Java module has to be.
    attention = AttentionSpec.parse(mechanism).create(16, 2);
    register_module("attention", attention);
    classifier = register_module("classifier", new LinearImpl(16 * 2, 2));
  }

  private Tensor features(Tensor images) {
    return torch.relu(convolution.forward(images));
  }

  Tensor forward(Tensor images) {
    Tensor y = attention.forward(features(images));
    Tensor halves = torch.adaptive_avg_pool2d(y, new long[] {1, 2});
    return classifier.forward(halves.flatten(1, 3));
  }

  AttentionMaps explain(Tensor images) {
    return attention.explain(features(images));
  }

  /** Images {@code [64, 1, 16, 16]}, and 0 or 1 for the half with the square. */
  private static Tensor[] batch() {
    Tensor images = torch.rand(64, 1, 16, 16);
    Tensor labels = torch.randint(2, new long[] {64}).to(torch.ScalarType.Long);
    for (int i = 0; i < 64; i++) {
      long column = 2 + 8 * labels.get(i).item_long();
      images.get(i).narrow(1, 6, 4).narrow(2, column, 4).add_(new Scalar(0.5));
    }
    return new Tensor[] {images, labels};
  }

  /** Argument: the mechanism with its options; default {@code cbam:reduction=4}. */
  public static void main(String[] arguments) {
    torch.manual_seed(1);
    try (OwnNetwork network =
        new OwnNetwork(arguments.length > 0 ? arguments[0] : "cbam:reduction=4")) {
      AdamW optimizer = new AdamW(network.parameters(), new AdamWOptions(0.01));
      for (int step = 1; step <= 60; step++) {
        try (PointerScope scope = new PointerScope()) { // frees the tensors of the step
          Tensor[] batch = batch();
          Tensor loss = torch.cross_entropy(network.forward(batch[0]), batch[1]);
          optimizer.zero_grad();
          loss.backward();
          optimizer.step();
          if (step % 20 == 0) {
            System.out.printf("step %d: loss %.3f%n", step, loss.item_double());
          }
        }
      }
      network.eval();
      try (PointerScope scope = new PointerScope()) {
        Tensor[] batch = batch();
        Tensor predicted = network.forward(batch[0]).argmax(new LongOptional(1), false);
        System.out.printf("right: %d of 64%n", predicted.eq(batch[1]).sum().item_long());
        network
            .explain(batch[0])
            .channel() // [64, 16]: the gate of each channel in each image
            .ifPresent(gates -> System.out.printf("mean gate: %.3f%n", gates.mean().item_double()));
      }
    }
  }
}
