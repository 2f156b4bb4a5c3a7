package io.fovea.models.transfer;

import io.fovea.attention.AttentionSpec;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.BackboneTopology;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.models.placement.Placement;
import io.fovea.models.weights.StateDict;
import io.fovea.models.weights.WeightsException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * The names and shapes of another library for a network's weights, so that the library's own {@code
 * load_state_dict} can load them. This is possible only for networks that the library has, too: the
 * same backbone at its published width, with the library's attention or none.
 */
public enum ExportLayout {
  /**
   * torchvision's ResNet, ResNeXt, Wide ResNet, GoogLeNet and MobileNetV3, without attention except for
   * MobileNetV3's own.
   */
  TORCHVISION,
  /** timm's {@code resnet*}, {@code resnet*d}, {@code resnext50_32x4d}, {@code seresnet*} and {@code seresnext50_32x4d}. */
  TIMM,
  /**
   * The authors' CBAM and BAM ResNets (github.com/Jongchan/attention-module). Their CBAM has biases
   * and a batch norm. If Fovea's network has none, they are written as zeros and as the identity.
   */
  OFFICIAL;

  private static final Set<String> RESNETS =
      Set.of("resnet18", "resnet34", "resnet50", "resnet101", "resnet152");
  private static final Set<String> MOBILENETS = Set.of("mobilenetv3-large", "mobilenetv3-small");
  private static final Pattern SE =
      Pattern.compile("(layer\\d+\\.\\d+)\\.se\\.fc\\.([02])\\.(weight|bias)");
  private static final Pattern MOBILE_SE =
      Pattern.compile("(features\\.\\d+)\\.block\\.se\\.fc\\.([02])\\.(weight|bias)");
  private static final Pattern CBAM =
      Pattern.compile("(layer\\d+\\.\\d+)\\.(ca\\.sharedMLP\\.[02]|sa\\.conv|sa\\.bn)\\.(\\w+)");
  private static final double EPSILON = 1e-5; // epsilon of the authors' batch norm

  /**
   * Converts the weights of a network to this layout. The caller must have opened a {@code
   * PointerScope}.
   *
   * @param spec the spec of the network
   * @param network the network, which is not changed
   * @return the tensors by name
   * @throws WeightsException if the library has no such network; the message gives the reason and
   *     the available layouts
   */
  public Map<String, Tensor> weights(ModelSpec spec, Classifier network) {
    Optional<String> obstacle = obstacle(spec, network);
    if (obstacle.isPresent()) {
      List<String> others =
          Arrays.stream(values())
              .filter(layout -> layout.obstacle(spec, network).isEmpty())
              .map(ExportLayout::toString)
              .toList();
      throw new WeightsException(
          "layout "
              + this
              + ": "
              + obstacle.get()
              + "; available for this network: "
              + (others.isEmpty() ? "no layout except Fovea's own" : String.join(", ", others)));
    }
    Map<String, Tensor> state = StateDict.of(network);
    Map<String, Tensor> weights = new LinkedHashMap<>();
    state.forEach((name, tensor) -> put(weights, name, tensor, state));
    return weights;
  }

  /** Why the library has no such network. */
  private Optional<String> obstacle(ModelSpec spec, Classifier network) {
    String backbone = spec.backbone();
    if (!backbones().contains(backbone)) {
      return Optional.of(
          "it has no " + backbone + "; it has " + String.join(", ", new TreeSet<>(backbones())));
    }
    if (spec.width() != 1) {
      return Optional.of("its networks have width 1, this one has " + spec.width());
    }
    if (spec.channels() != 3 && this != TIMM) {
      return Optional.of("its networks take 3 channels, this one takes " + spec.channels());
    }
    List<PlacedAttention> attention = PlacedAttention.parseAll(spec.attention());
    return switch (this) {
      case TORCHVISION ->
          MOBILENETS.contains(backbone)
              ? different(backbone, attention, ownOptions(backbone))
              : none(attention);
      case TIMM ->
          attention.isEmpty()
              ? Optional.empty()
              : different(
                      backbone,
                      attention,
                      Map.of(
                          "se",
                          Map.of(
                              "bias",
                              "true",
                              "squeeze",
                              "avg",
                              "excitation",
                              "sigmoid",
                              "of",
                              "map",
                              "activation",
                              "relu")))
                  .or(() -> differentWidth(network));
      case OFFICIAL ->
          different(
              backbone,
              attention,
              Map.of(
                  "cbam",
                  Map.of(
                      "reduction",
                      "16",
                      "kernel",
                      "7",
                      "pool",
                      "avgmax",
                      "spatial_pool",
                      "avgmax",
                      "order",
                      "channel_first",
                      "branches",
                      "both",
                      "spatial_bias",
                      "false",
                      "residual",
                      "false"),
                  "bam",
                  AttentionSpec.parse("bam").options()));
    };
  }

  private Set<String> backbones() {
    Set<String> all = new TreeSet<>(RESNETS);
    switch (this) {
      case TORCHVISION -> {
        all.addAll(
            List.of(
                "resnext50",
                "resnext101_32x8d",
                "resnext101_64x4d",
                "wide_resnet50_2",
                "wide_resnet101_2"));
        all.add("googlenet");
        all.addAll(MOBILENETS);
      }
      case TIMM ->
          all.addAll(
              List.of(
                  "resnext50",
                  "seresnet50",
                  "seresnext50_32x4d",
                  "resnet18d",
                  "resnet34d",
                  "resnet50d",
                  "resnet101d",
                  "resnet152d"));
      case OFFICIAL -> all.remove("resnet152");
    }
    return all;
  }

  private static Map<String, Map<String, String>> ownOptions(String backbone) {
    AttentionSpec own = Classifier.builder(backbone).ownAttention().orElseThrow().attention();
    return Map.of(own.mechanism().name(), own.options());
  }

  private static Optional<String> none(List<PlacedAttention> attention) {
    return attention.isEmpty()
        ? Optional.empty()
        : Optional.of(
            "its network has no attention, this one has " + PlacedAttention.text(attention));
  }

  /**
   * Why the attention does not match: it must be one of the given mechanisms, at the place of its
   * paper and with these options.
   */
  private static Optional<String> different(
      String backbone, List<PlacedAttention> attention, Map<String, Map<String, String>> wanted) {
    String names = wanted.keySet().stream().sorted().collect(Collectors.joining(" or "));
    if (attention.size() != 1
        || !wanted.containsKey(attention.get(0).attention().mechanism().name())) {
      return Optional.of(
          "its network has " + names + ", this one has " + PlacedAttention.text(attention));
    }
    AttentionSpec spec = attention.get(0).attention();
    BackboneTopology anatomy = Classifier.builder(backbone).anatomy;
    Set<BackboneTopology.Place> places =
        Set.copyOf(attention.get(0).placement().resolve(spec, anatomy));
    if (!places.equals(Set.copyOf(Placement.paper().resolve(spec, anatomy)))) {
      return Optional.of(
          "its "
              + spec.mechanism()
              + " is at the place of its paper, this one is at "
              + attention.get(0).placement());
    }
    Map<String, String> options = spec.options();
    return wanted.get(spec.mechanism().name()).entrySet().stream()
        .sorted(Map.Entry.comparingByKey())
        .filter(option -> !option.getValue().equals(options.get(option.getKey())))
        .map(
            option ->
                "its "
                    + spec.mechanism()
                    + " has "
                    + option
                    + ", this one "
                    + option.getKey()
                    + "="
                    + options.get(option.getKey()))
        .findFirst();
  }

  /** timm rounds the channels divided by 16 to a multiple of 8. */
  private static Optional<String> differentWidth(Classifier network) {
    return StateDict.parameters(network).entrySet().stream()
        .filter(entry -> entry.getKey().endsWith(".se.fc.0.weight"))
        .filter(
            entry -> {
              long sixteenth = entry.getValue().size(1) / 16;
              return entry.getValue().size(0) != Math.max(8, (sixteenth + 4) / 8 * 8);
            })
        .map(
            entry ->
                "its squeeze-and-excitation is se:bias=true,divisor=8, this one has another width: "
                    + entry.getKey()
                    + " is "
                    + Arrays.toString(entry.getValue().shape()))
        .findFirst();
  }

  private void put(
      Map<String, Tensor> weights, String name, Tensor tensor, Map<String, Tensor> state) {
    Matcher se = (this == TIMM ? SE : MOBILE_SE).matcher(name);
    Matcher cbam = CBAM.matcher(name);
    if (this != OFFICIAL && se.matches()) {
      String block =
          this == TIMM
              ? se.group(1) + ".se"
              : se.group(1) + ".block." + squeezeNumber(se.group(1) + ".block.", state);
      Tensor convolution = // 1x1
          se.group(3).equals("weight") ? tensor.unsqueeze(-1).unsqueeze(-1) : tensor;
      String layer = se.group(2).equals("0") ? ".fc1." : ".fc2.";
      weights.put(block + layer + se.group(3), convolution);
    } else if (this == OFFICIAL && cbam.matches()) {
      putCbam(weights, cbam.group(1) + ".cbam.", cbam.group(2), cbam.group(3), tensor, state, name);
    } else {
      weights.put(name, tensor);
    }
  }

  /** torchvision numbers it among the layers of the block, before the last convolution. */
  private static int squeezeNumber(String block, Map<String, Tensor> state) {
    return state.keySet().stream()
            .filter(name -> name.startsWith(block))
            .map(name -> name.substring(block.length()).split("\\.")[0])
            .filter(part -> part.matches("\\d+"))
            .mapToInt(Integer::parseInt)
            .max()
            .orElseThrow()
        - 1;
  }

  private static void putCbam(
      Map<String, Tensor> weights,
      String block,
      String part,
      String kind,
      Tensor tensor,
      Map<String, Tensor> state,
      String name) {
    String spatial = block + "SpatialGate.spatial.";
    switch (part) {
      case "sa.conv" -> {
        // in that code, the maximum comes first
        weights.put(spatial + "conv.weight", tensor.flip(1));
        if (!state.containsKey(name.replace("sa.conv.weight", "sa.bn.weight"))) {
          weights.put(spatial + "bn.weight", filled(Math.sqrt(1 + EPSILON)));
          weights.put(spatial + "bn.bias", filled(0));
          weights.put(spatial + "bn.running_mean", filled(0));
          weights.put(spatial + "bn.running_var", filled(1));
          weights.put(
              spatial + "bn.num_batches_tracked",
              torch.zeros(new long[0], new TensorOptions(ScalarType.Long)));
        }
      }
      case "sa.bn" -> weights.put(spatial + "bn." + kind, tensor);
      default -> {
        String layer = block + "ChannelGate.mlp." + (part.endsWith("0") ? "1." : "3.");
        weights.put(layer + kind, kind.equals("weight") ? tensor.flatten(1, -1) : tensor);
        if (kind.equals("weight") && !state.containsKey(name.replaceAll("weight$", "bias"))) {
          weights.put(layer + "bias", torch.zeros(tensor.size(0)));
        }
      }
    }
  }

  private static Tensor filled(double value) {
    return torch.full(new long[] {1}, new Scalar(value));
  }

  /** The name on the command line. */
  @Override
  public String toString() {
    return name().toLowerCase(Locale.ROOT);
  }
}
