package io.fovea.models;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionMaps;
import io.fovea.errors.SpecException;
import io.fovea.models.transfer.Inflation;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import io.fovea.testing.Numeric;
import io.fovea.testing.Rounding;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

@Numeric
class VideoTest {
  /** PyTorchVideo's model zoo has C2D R50 with 24.33 M and I3D R50 with 28.04 M for 400 classes. */
  @ParameterizedTest
  @CsvSource({
    "c2d-resnet50,none,24327632",
    "i3d-resnet50,none,28043472",
    "i3d-resnet50,'nonlocal@after:every-other:2,3',35401936",
  })
  void hasThePublishedParameters(String backbone, String attention, long parameters) {
    try (PointerScope scope = new PointerScope()) {
      assertThat(new ModelSpec(backbone, 400, 3, 1, attention).create().parameterCount())
          .isEqualTo(parameters);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "nonlocal@after:3.5,layer3.4.nonlocal_after",
    "'nonlocal@after:every-other:2,3',layer2.1.nonlocal_after layer2.3.nonlocal_after"
        + " layer3.1.nonlocal_after layer3.3.nonlocal_after layer3.5.nonlocal_after",
    "'nonlocal@post:2,3',layer2.0.nonlocal_post layer2.1.nonlocal_post layer2.2.nonlocal_post"
        + " layer2.3.nonlocal_post layer3.0.nonlocal_post layer3.1.nonlocal_post"
        + " layer3.2.nonlocal_post layer3.3.nonlocal_post layer3.4.nonlocal_post"
        + " layer3.5.nonlocal_post",
  })
  void nonLocalBlocksAreWhereThePaperHasThem(String attention, String places) {
    try (PointerScope scope = new PointerScope()) {
      assertThat(new ModelSpec("c2d-resnet50", 400, 3, 1, attention).create().attentions())
          .containsOnlyKeys(places.split(" "));
    }
  }

  /** The paper's sizes: 32 frames become 8 x 56 x 56 (x 64), then 4 x 28 x 28; the authors' 8 become 4. */
  @ParameterizedTest
  @CsvSource({"32,8,4", "8,8,4", "33,9,5", "1,1,1"})
  void timeShrinksAsInTable1(int frames, long afterFirst, long afterSecond) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = Classifier.builder("c2d-resnet18").frames(frames).classes(2).build();
      network.eval();
      List<Long> times = new ArrayList<>();
      Classifier.observing(
          (name, output) -> {
            if (name.equals("layer1") || name.equals("layer2")) {
              times.add(output.size(2));
            }
          },
          () -> network.forward(torch.randn(1, 3, frames, 32, 32)));
      assertThat(times).containsExactly(afterFirst, afterSecond);
    }
  }

  @ParameterizedTest
  @CsvSource({
    "c2d-resnet14,AVERAGE",
    "i3d-resnet14,AVERAGE",
    "i3d-resnet14,CENTRE",
    "i3d-resnet18,AVERAGE",
    "c2d-resnet50,AVERAGE",
    "i3d-resnet50,AVERAGE",
    "i3d-resnet50,CENTRE",
    "i3d-3x3x3-resnet50,AVERAGE"
  })
  void inflatedWeightsSayOfAStillClipWhatTheySayOfTheImage(String backbone, Inflation inflation) {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier images =
          Classifier.builder(backbone.substring(backbone.lastIndexOf('-') + 1)).classes(5).build();
      images.to(ScalarType.Double, false);
      Filling.fill(images, name -> name);
      images.eval();
      Classifier video = Classifier.builder(backbone).classes(5).build();
      video.to(ScalarType.Double, false);
      video.eval();
      assertThat(inflation.load(StateDict.of(images), video)).isEmpty();

      Tensor image = Filling.uniform("image", 2, 3, 40, 36);
      Tensor clip = image.unsqueeze(2).expand(2, 3, 6, 40, 36);
      double[] expected = Filling.values(images.forward(image));
      double[] actual = Filling.values(video.forward(clip));
      for (int i = 0; i < expected.length; i++) {
        assertThat(actual[i]).isCloseTo(expected[i], within(1e-10));
      }
    }
  }

  @Test
  void inflationLeavesWhatImagesLack() {
    try (PointerScope scope = new PointerScope()) {
      Classifier images = Classifier.builder("resnet14").classes(10).build();
      Classifier video = new ModelSpec("i3d-resnet14", 2, 3, 1, "nonlocal@after:2.2").create();
      assertThat(Inflation.AVERAGE.load(StateDict.of(images), video))
          .contains("layer2.1.nonlocal_after.theta.weight", "fc.weight", "fc.bias")
          .allMatch(name -> name.contains("nonlocal") || name.startsWith("fc."));

      Map<String, Tensor> other = StateDict.of(Classifier.builder("resnet18").classes(2).build());
      assertThatThrownBy(() -> Inflation.AVERAGE.load(other, video))
          .isInstanceOf(WeightsException.class)
          .hasMessageContaining("conv1.weight has shape [64, 3, 7, 7], expected the shape of");
      assertThatThrownBy(() -> Inflation.CENTRE.load(StateDict.of(images), images))
          .hasMessage("inflation needs a video network, got an image network");
      assertThatThrownBy(() -> Inflation.CENTRE.load(Map.of(), video))
          .hasMessageContaining("they have no name of the video network");
    }
  }

  /** Without time in its kernels, C2D adds up what it sees in windows; the order of these is lost. */
  @Test
  void c2dCannotTellTheOrderOfEventsApartAndI3dCan() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Tensor clip =
          torch
              .randn(1, 1, 9, 16, 16)
              .to(ScalarType.Double); // odd: the pool's windows are the same backwards
      Tensor backwards = clip.flip(2);
      for (String attention : List.of("none", "nonlocal@after:2.1")) {
        Classifier c2d = new ModelSpec("c2d-resnet8", 2, 1, 1, attention).create();
        c2d.eval();
        c2d.to(ScalarType.Double, false);
        assertThat(difference(c2d.forward(clip), c2d.forward(backwards))).isLessThan(1e-12);
      }
      Classifier i3d = new ModelSpec("i3d-resnet8", 2, 1, 1, "none").create();
      i3d.eval();
      i3d.to(ScalarType.Double, false);
      assertThat(difference(i3d.forward(clip), i3d.forward(backwards))).isGreaterThan(1e-3);
    }
  }

  private static double difference(Tensor a, Tensor b) {
    return a.sub(b).abs().max().item_double();
  }

  @Test
  void affinityGoesAcrossSpaceAndTime() {
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      Classifier network = new ModelSpec("c2d-resnet8", 2, 1, 1, "nonlocal@after:2.1").create();
      network.eval();
      List<long[]> seen = new ArrayList<>();
      Attention.observing(
          (attention, x) -> {
            try (AttentionMaps maps = attention.explain(x)) {
              seen.add(maps.querySize());
              seen.add(maps.keySize());
              Tensor rows = maps.affinity(0, 1023);
              assertThat(rows.shape()).containsExactly(1, 2, 256);
              // Each row has 256 numbers, which are rounded and summed.
              assertThat(rows.to(ScalarType.Double).sum().item_double())
                  .isCloseTo(2, within(2 * 256 * Rounding.UNIT));
            }
          },
          () -> network.forward(torch.randn(1, 1, 8, 32, 32)));
      assertThat(seen.get(0)).containsExactly(4, 16, 16);
      assertThat(seen.get(1)).containsExactly(4, 8, 8);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"c2d-resnet9", "i3d-vgg", "c2d-"})
  void unknownNetworksAreRefused(String name) {
    assertThatThrownBy(() -> Classifier.builder(name)).isInstanceOf(SpecException.class);
  }

  @Test
  void wrongShapesAreRefused() {
    try (PointerScope scope = new PointerScope()) {
      Classifier network = new ModelSpec("c2d-resnet8", 2, 1, 1, "none").create();
      assertThatThrownBy(() -> network.forward(torch.randn(1, 1, 32, 32)))
          .hasMessage(
              "expected clips [B, 1, T, H, W] with sides of at least 1, got [1, 1, 32, 32]");
      Classifier images = new ModelSpec("resnet8", 2, 1, 1, "none").create();
      assertThatThrownBy(() -> images.forward(torch.randn(1, 1, 8, 32, 32)))
          .hasMessageContaining("expected images [B, 1, H, W]");
      assertThatThrownBy(() -> Classifier.builder("resnet8").frames(4))
          .hasMessage("resnet8 is for images and has no frames");
    }
  }
}
