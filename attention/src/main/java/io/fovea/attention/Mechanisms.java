package io.fovea.attention;

import io.fovea.errors.FoveaException;
import io.fovea.tensor.internal.DidYouMean;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.ServiceConfigurationError;
import java.util.ServiceLoader;

/** All mechanisms. A new mechanism of Fovea is a line here. */
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
          LargeKernelAttention.MECHANISM,
          GlobalContext.MECHANISM,
          GlobalResponseNorm.MECHANISM,
          ConcurrentSqueezeExcitation.MECHANISM,
          FrequencyChannelAttention.MECHANISM,
          MixedLocalChannelAttention.MECHANISM,
          ShuffleAttention.MECHANISM,
          MultiScaleAttention.MECHANISM,
          GlobalAttentionMechanism.MECHANISM,
          EfficientLocalAttention.MECHANISM,
          PolarizedAttention.MECHANISM,
          GatherExcite.MECHANISM,
          ExternalAttention.MECHANISM,
          DoubleAttention.MECHANISM,
          CrissCrossAttention.MECHANISM,
          StripPooling.MECHANISM,
          ChannelPriorAttention.MECHANISM,
          ContextAnchorAttention.MECHANISM,
          LargeSelectiveKernel.MECHANISM,
          MultiHeadSelfAttention.MECHANISM,
          DisentangledNonLocal.MECHANISM,
          SelectiveKernel.MECHANISM,
          SplitAttention.MECHANISM);

  private static Map<String, Mechanism> known;

  private Mechanisms() {}

  static List<Mechanism> all() {
    return List.copyOf(known().values());
  }

  static Mechanism named(String name) {
    Mechanism mechanism = known().get(name);
    if (mechanism == null) {
      throw DidYouMean.unknown("mechanism", name, List.copyOf(known().keySet()));
    }
    return mechanism;
  }

  /**
   * All mechanisms, found once, by the context class loader of the first thread that needs them.
   */
  private static synchronized Map<String, Mechanism> known() {
    if (known == null) {
      known = find(Thread.currentThread().getContextClassLoader());
    }
    return known;
  }

  /**
   * Fovea's own mechanisms, and the mechanisms from outside that a class loader finds.
   *
   * @throws FoveaException if a mechanism from outside cannot be loaded, or has the name of another
   */
  static Map<String, Mechanism> find(ClassLoader loader) {
    Map<String, Mechanism> byName = new LinkedHashMap<>();
    OWN.forEach(mechanism -> byName.put(mechanism.name(), mechanism));
    for (Mechanism mechanism : fromOutside(loader)) {
      if (byName.putIfAbsent(mechanism.name(), mechanism) != null) {
        throw new FoveaException(
            "there are two mechanisms \"" + mechanism.name() + "\"; rename the one from outside");
      }
    }
    return byName;
  }

  private static List<Mechanism> fromOutside(ClassLoader loader) {
    try {
      return ServiceLoader.load(Mechanism.Provider.class, loader).stream()
          .map(Mechanisms::provided)
          .sorted(Comparator.comparing(Mechanism::name))
          .toList();
    } catch (ServiceConfigurationError e) { // the message names the class
      throw new FoveaException("a mechanism cannot be loaded: " + e.getMessage(), e);
    }
  }

  private static Mechanism provided(ServiceLoader.Provider<Mechanism.Provider> provider) {
    String name = provider.type().getName();
    try {
      return Objects.requireNonNull(provider.get().mechanism(), "it provides null");
      // any exception, because this is code from outside
    } catch (RuntimeException | LinkageError | ServiceConfigurationError e) {
      Throwable cause = e;
      while (cause.getCause() != null) {
        cause = cause.getCause();
      }
      throw new FoveaException(name + " cannot provide its mechanism: " + cause, e);
    }
  }
}
