package io.fovea.attention;

import static io.fovea.attention.Option.atLeast;

import io.fovea.nn.Activation;
import io.fovea.nn.Linear;
import io.fovea.nn.Ops;
import io.fovea.nn.Sequence;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.pytorch.Module;
import org.bytedeco.pytorch.Tensor;

/**
 * Frequency channel attention: squeeze-and-excitation that describes a channel by a frequency of its
 * map instead of by its mean. Each group of channels has another frequency.
 *
 * <p>Qin, Zhang, Wu, Li: <a href="https://arxiv.org/abs/2012.11879">FcaNet</a>, section 3. The
 * frequencies u, v are the 1 to 32 most useful ones ({@code top}), the lowest ({@code low}) or the
 * least useful ones ({@code bot}) of the 49 of a 7 × 7 map; for larger S they are multiplied by S / 7,
 * rounded down. A map of another size is first averaged to S × S. In the authors' networks, S is 56,
 * 28, 14 and 7 in the four stages. With {@code size=auto}, networks choose the largest multiple of 7 up
 * to the side of their feature maps, which gives these numbers; a module by itself takes 7. The authors'
 * code computes D in float32, and so does this one.
 *
 * <p>Parameters: {@code fc.0.weight [C/r, C]}, {@code fc.2.weight [C, C/r]}; buffer: {@code
 * dct_layer.weight [C, S, S]}.
 */
final class FrequencyChannelAttention extends Attention {
  private static final int FREQUENCIES = 7; // in each direction

  private static final Option<Integer> REDUCTION =
      atLeast(
          1,
          Option.integer(
              "reduction", 16, "the factor by which the first layer reduces the channels"));
  private static final Option<Frequencies> CHOSEN =
      Option.of(
              "frequencies",
              new Frequencies("top", 16),
              Frequencies::parse,
              List.of(
                  new Frequencies("top", 16), new Frequencies("low", 4), new Frequencies("bot", 2)),
              "the frequencies: top, low or bot, with 1, 2, 4, 8, 16 or 32")
          .fits(
              "as many of the list, up to the default, as divide the channels",
              (settings, usual) -> usual.dividing(settings.channels()));
  private static final Option<Side> SIZE =
      Option.of(
              "size",
              Side.AUTO,
              Side::parse,
              List.of(Side.AUTO, new Side(14)),
              "the side S of the map after averaging; auto is 7 in a module by itself")
          .fits(
              "the largest multiple of 7 up to the side of the feature map",
              (settings, usual) -> usual.upTo(settings.side()));

  static final Mechanism MECHANISM =
      Mechanism.named("fca", "Frequency channel attention")
          .paper("2012.11879")
          .summary("gates each channel, described by a frequency of its map")
          .equation(
              """
              z = Σ D · pool(x)                 over positions; pool(x) and D are S × S
              D(i, j) = b_u(i) b_v(j)
              b_f(p)  = cos(π f (p + 1/2) / S) / sqrt(S) · (1 if f is 0, else sqrt(2))
              y = x · σ(W₂ relu(W₁ z))
              """)
          .cost("2·C·d; d = max(1, C / reduction)", "2·C·d; d = max(1, C / reduction)")
          .code("authors and reference", "cfzd/FcaNet", "aa5fb63", "model/layer.py")
          .copy(
              "AIFengheshu 2f933bc",
              "the same: for top16, low8 and bot32 and sizes 7 and 14 the difference is 0")
          .copy(
              "hongyuanyu bf73239",
              "cannot be built with its defaults (\"object of type 'int' has no len()\") nor run (it reads"
                  + " pre_computed_dct_weights and registers precomputed_dct_weights)")
          .options(REDUCTION, CHOSEN, SIZE)
          .dimensions(2)
          .place(Mechanism.Place.BLOCK)
          .shows(Mechanism.Shows.CHANNEL_GATES)
          .written(
              Written.here(FrequencyChannelAttention::read)
                  .doubt(
                      "fca: the cosines of dct_layer.weight tell the frequencies; they are loaded from the"
                          + " file"))
          .madeBy(FrequencyChannelAttention::new);

  /** The options that names and shapes tell. */
  private static Stream<String> read(ModuleState s) {
    return s.reductions("fc.0.weight")
        .map(reduction -> "reduction=" + reduction + ",size=" + s.size("dct_layer.weight", 1));
  }

  private final int size;
  private final Module dctLayer = new Module("dct_layer"); // for the name of the buffer
  private final Tensor cosines;
  private final Sequence fc;

  private FrequencyChannelAttention(Settings settings) {
    super(settings);
    size = settings.get(SIZE).value();
    cosines = settings.get(CHOSEN).cosines(channels(), size);
    dctLayer.register_buffer("weight", cosines);
    register_module("dct_layer", dctLayer);
    long hidden = settings.reduced(REDUCTION);
    fc =
        new Sequence()
            .add("0", new Linear(channels(), hidden, false))
            .add("1", Activation.RELU)
            .add("2", new Linear(hidden, channels(), false));
    register_module("fc", fc);
  }

  @Override
  protected <T> T attend(Ops<T> ops, T x) {
    T pooled = ops.adaptiveAverage(x, size, size);
    T parts = ops.mul(pooled, ops.in(dctLayer, () -> ops.parameter("weight", cosines)));
    T z = ops.reshape(ops.sum(ops.flatten(parts), 2), 0, -1); // [B, C]
    return ops.gate(x, ops.perChannel(ops.sigmoid(fc.apply(ops, z)), x));
  }

  /** The side of the map after averaging; {@link #AUTO} until a network chooses it. */
  private record Side(int side) {
    static final Side AUTO = new Side(0);

    static Side parse(String text) {
      if (text.equals(AUTO.toString())) {
        return AUTO;
      }
      int side = Option.parseInteger("size", text);
      if (side < FREQUENCIES) {
        throw new Option.Invalid("size must be at least " + FREQUENCIES + ", got " + side);
      }
      return new Side(side);
    }

    int value() {
      return Math.max(FREQUENCIES, side);
    }

    Side upTo(int sideOfMap) {
      int multiple = sideOfMap / FREQUENCIES * FREQUENCIES;
      return equals(AUTO) && sideOfMap > 0 ? new Side(Math.max(FREQUENCIES, multiple)) : this;
    }

    @Override
    public String toString() {
      return side == 0 ? "auto" : Integer.toString(side);
    }
  }

  /** Some of the 49 frequencies of a 7 × 7 map: those of a list, as many as asked for. */
  private record Frequencies(String list, int count) {
    private static final List<String> LISTS = List.of("top", "low", "bot");
    private static final List<Integer> COUNTS = List.of(1, 2, 4, 8, 16, 32);

    /** The authors' lists: pairs of u, which goes with the rows, and v. */
    private static final String TOP =
        "00 01 60 05 02 10 12 40 50 16 30 04 06 03 35 22 "
            + "46 63 33 53 55 21 61 52 54 32 31 41 23 20 65 13";

    private static final String LOW =
        "00 01 10 11 02 20 21 12 22 03 30 40 04 13 31 05 "
            + "14 23 32 41 50 06 15 24 33 42 51 60 16 25 34 43";
    private static final String BOT =
        "66 14 34 36 26 43 11 24 44 45 56 15 42 62 25 51 "
            + "64 13 65 20 23 41 31 32 54 52 61 21 55 53 33 63";

    static Frequencies parse(String text) {
      for (String list : LISTS) {
        for (int count : COUNTS) {
          if (text.equals(list + count)) {
            return new Frequencies(list, count);
          }
        }
      }
      throw new Option.Invalid(
          "frequencies must be top, low or bot with 1, 2, 4, 8, 16 or 32, such as top16, got \""
              + text
              + "\"");
    }

    /** The same list with the largest number of frequencies, up to this one, that divides the channels. */
    Frequencies dividing(long channels) {
      return COUNTS.stream()
          .filter(other -> other <= count && channels % other == 0)
          .reduce((smaller, larger) -> larger)
          .map(largest -> new Frequencies(list, largest))
          .orElseThrow(); // 1 divides them
    }

    /** The weights of the positions, {@code [C, S, S]}. */
    Tensor cosines(long channels, int size) {
      if (channels % count != 0) {
        throw new IllegalArgumentException(
            "fca: frequencies="
                + this
                + " does not divide the "
                + channels
                + " channels; "
                + COUNTS.stream()
                    .filter(other -> channels % other == 0)
                    .map(other -> list + other)
                    .collect(Collectors.joining(", "))
                + " do");
      }
      String[] pairs = (list.equals("top") ? TOP : list.equals("low") ? LOW : BOT).split(" ");
      int part = Math.toIntExact(channels / count);
      float[] values = new float[Math.toIntExact(channels) * size * size];
      int at = 0;
      for (int i = 0; i < count; i++) {
        double[] ofRow = wave(pairs[i].charAt(0) - '0', size);
        double[] ofColumn = wave(pairs[i].charAt(1) - '0', size);
        for (int channel = 0; channel < part; channel++) {
          for (int row = 0; row < size; row++) {
            for (int column = 0; column < size; column++) {
              values[at++] = (float) (ofRow[row] * ofColumn[column]);
            }
          }
        }
      }
      return Tensor.create(values, channels, size, size);
    }

    private static double[] wave(int frequencyOf7, int size) {
      int frequency = frequencyOf7 * (size / FREQUENCIES);
      double[] values = new double[size];
      for (int p = 0; p < size; p++) {
        double cosine = Math.cos(Math.PI * frequency * (p + 0.5) / size) / Math.sqrt(size);
        values[p] = frequency == 0 ? cosine : cosine * Math.sqrt(2);
      }
      return values;
    }

    @Override
    public String toString() {
      return list + count;
    }
  }
}
