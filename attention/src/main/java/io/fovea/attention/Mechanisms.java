package io.fovea.attention;

import io.fovea.errors.SpecException;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.ServiceLoader;

/** Those that there are. A new one is a line here. */
final class Mechanisms {
  private static final List<Mechanism> OWN =
      List.of(
          SqueezeExcitation.MECHANISM,
          Cbam.MECHANISM,
          Bam.MECHANISM,
          PositionAttention.MECHANISM,
          ChannelAttention.MECHANISM,
          DualAttention.MECHANISM,
          NonLocal.MECHANISM,
          EfficientChannelAttention.MECHANISM,
          EffectiveSqueezeExcitation.MECHANISM,
          GatedChannelTransformation.MECHANISM,
          StyleRecalibration.MECHANISM,
          NormalizationAttention.MECHANISM,
          CoordinateAttention.MECHANISM,
          SimpleAttention.MECHANISM,
          TripletAttention.MECHANISM,
          SpatialGroupEnhance.MECHANISM,
          LargeKernelAttention.MECHANISM);

  private static final Map<String, Mechanism> BY_NAME = byName();

  private Mechanisms() {}

  static List<Mechanism> all() {
    return List.copyOf(BY_NAME.values());
  }

  static Mechanism named(String name) {
    Mechanism mechanism = BY_NAME.get(name);
    if (mechanism == null) {
      throw new SpecException(
          DidYouMean.unknown("mechanism", name, List.copyOf(BY_NAME.keySet())).getMessage());
    }
    return mechanism;
  }

  private static Map<String, Mechanism> byName() {
    List<Mechanism> all = new ArrayList<>(OWN);
    ServiceLoader.load(Mechanism.Provider.class).stream()
        .map(provider -> provider.get().mechanism())
        .sorted(Comparator.comparing(Mechanism::name))
        .forEach(all::add);
    Map<String, Mechanism> byName = new LinkedHashMap<>();
    for (Mechanism mechanism : all) {
      if (byName.put(mechanism.name(), mechanism) != null) {
        throw new IllegalStateException(
            "two mechanisms are called \"" + mechanism.name() + "\"; rename the one from outside");
      }
    }
    return byName;
  }
}
