package io.fovea.attention;

import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import org.bytedeco.pytorch.Tensor;

/**
 * The mechanisms once more, by their equations alone: plain loops over plain numbers, without libtorch
 * and without a thought for speed.
 */
final class Naive {
  private static final double EPSILON = 1e-5;

  private final Map<String, double[]> state = new LinkedHashMap<>();
  private final Map<String, String> options;
  private final boolean training;

  private Naive(Attention module) {
    Tensors.state(module).forEach((name, tensor) -> state.put(name, Tensors.values(tensor)));
    options = module.spec().options();
    training = module.is_training();
  }

  /** What {@code module}, with its parameters and in its mode, makes of {@code x}. */
  static double[] forward(Attention module, Tensor x) {
    Naive naive = new Naive(module);
    Grid grid = Grid.of(x);
    Grid y =
        switch (module.spec().mechanism().name()) {
          case "se" -> naive.se(grid);
          case "cbam" -> naive.cbam(grid);
          case "bam" -> naive.bam(grid);
          case "pam" -> naive.pam(grid, "").plus(grid);
          case "cam" -> naive.cam(grid, "").plus(grid);
          case "dual" -> naive.pam(grid, "pam.").plus(naive.cam(grid, "cam.")).plus(grid);
          case "nonlocal" -> naive.nonLocal(grid).plus(grid);
          default -> throw new AssertionError(module.spec());
        };
    return y.values;
  }

  /** Numbers {@code [batch, channels, size...]}; gates have a size without dimensions. */
  private record Grid(int batch, int channels, int[] size, double[] values) {
    static Grid of(Tensor x) {
      int[] shape = Arrays.stream(x.shape()).mapToInt(Math::toIntExact).toArray();
      return new Grid(
          shape[0], shape[1], Arrays.copyOfRange(shape, 2, shape.length), Tensors.values(x));
    }

    static Grid empty(int batch, int channels, int... size) {
      return new Grid(batch, channels, size, new double[batch * channels * product(size)]);
    }

    int positions() {
      return product(size);
    }

    int at(int b, int c, int n) {
      return (b * channels + c) * positions() + n;
    }

    double get(int b, int c, int n) {
      return values[at(b, c, n)];
    }

    void add(int b, int c, int n, double value) {
      values[at(b, c, n)] += value;
    }

    Grid map(DoubleUnaryOperator function) {
      return new Grid(batch, channels, size, Arrays.stream(values).map(function).toArray());
    }

    Grid plus(Grid other) {
      return combined(other, Double::sum);
    }

    Grid times(Grid other) {
      return combined(other, (a, b) -> a * b);
    }

    /** Value by value; where one has a single channel or a single position, that serves for all. */
    private Grid combined(Grid other, DoubleBinaryOperator function) {
      int most = Math.max(channels, other.channels);
      Grid result = empty(batch, most, positions() >= other.positions() ? size : other.size);
      for (int b = 0; b < batch; b++) {
        for (int c = 0; c < most; c++) {
          for (int n = 0; n < result.positions(); n++) {
            double mine = get(b, c % channels, n % positions());
            double its = other.get(b, c % other.channels, n % other.positions());
            result.add(b, c, n, function.applyAsDouble(mine, its));
          }
        }
      }
      return result;
    }
  }

  private Grid se(Grid x) {
    Grid squeezed =
        switch (options.get("squeeze")) {
          case "avg" -> average(x);
          case "max" -> maximum(x);
          default -> average(x).plus(maximum(x)).map(value -> value / 2);
        };
    DoubleUnaryOperator hidden =
        options.get("activation").equals("silu") ? v -> v / (1 + Math.exp(-v)) : Naive::relu;
    Grid excited = convolution(convolution(squeezed, "fc.0", 1, 1).map(hidden), "fc.2", 1, 1);
    return x.times(
        switch (options.get("excitation")) {
          case "sigmoid" -> excited.map(Naive::sigmoid);
          case "relu" -> excited.map(Naive::relu);
          case "tanh" -> excited.map(Math::tanh);
          default -> excited.map(value -> value < -3 ? 0 : value > 3 ? 1 : (value + 3) / 6);
        });
  }

  private Grid cbam(Grid x) {
    Grid one = Grid.empty(x.batch, 1).map(zero -> 1.0);
    boolean channel = !options.get("branches").equals("spatial");
    boolean spatial = !options.get("branches").equals("channel");
    Grid c;
    Grid s;
    switch (options.get("order")) {
      case "channel_first" -> {
        c = channel ? cbamChannel(x) : one;
        s = spatial ? cbamSpatial(x.times(c)) : one;
      }
      case "spatial_first" -> {
        s = cbamSpatial(x);
        c = cbamChannel(x.times(s));
      }
      default -> {
        c = cbamChannel(x);
        s = cbamSpatial(x);
      }
    }
    return x.times(c).times(s);
  }

  private Grid cbamChannel(Grid x) {
    return switch (options.get("pool")) {
      case "avg" -> mlp(average(x)).map(Naive::sigmoid);
      case "max" -> mlp(maximum(x)).map(Naive::sigmoid);
      default -> mlp(average(x)).plus(mlp(maximum(x))).map(Naive::sigmoid);
    };
  }

  private Grid cbamSpatial(Grid x) {
    String pool = options.get("spatial_pool");
    Grid mean = Grid.empty(x.batch, 1, x.size);
    Grid largest = Grid.empty(x.batch, 1, x.size).map(zero -> Double.NEGATIVE_INFINITY);
    for (int b = 0; b < x.batch; b++) {
      for (int n = 0; n < x.positions(); n++) {
        for (int c = 0; c < x.channels; c++) {
          mean.add(b, 0, n, x.get(b, c, n) / x.channels);
          int at = b * x.positions() + n;
          largest.values[at] = Math.max(largest.values[at], x.get(b, c, n));
        }
      }
    }
    Grid pooled =
        switch (pool) {
          case "avg" -> mean;
          case "max" -> largest;
          case "conv" -> convolution(x, "sa.reduce", 1, 1);
          default -> stacked(mean, largest);
        };
    int kernel = Integer.parseInt(options.get("kernel"));
    Grid scores = convolution(pooled, "sa.conv", kernel, 1);
    boolean norm = options.get("norm").equals("true");
    return (norm ? normalized(scores, "sa.bn") : scores).map(Naive::sigmoid);
  }

  private static Grid stacked(Grid first, Grid second) {
    Grid both = Grid.empty(first.batch, 2, first.size);
    for (int b = 0; b < first.batch; b++) {
      for (int n = 0; n < first.positions(); n++) {
        both.add(b, 0, n, first.get(b, 0, n));
        both.add(b, 1, n, second.get(b, 0, n));
      }
    }
    return both;
  }

  private Grid mlp(Grid gates) {
    Grid hidden = convolution(gates, "ca.sharedMLP.0", 1, 1).map(Naive::relu);
    return convolution(hidden, "ca.sharedMLP.2", 1, 1);
  }

  private Grid bam(Grid x) {
    Grid combined =
        switch (options.get("branches")) {
          case "channel" -> bamChannel(x);
          case "spatial" -> bamSpatial(x);
          default ->
              switch (options.get("combine")) {
                case "multiply" -> bamChannel(x).times(bamSpatial(x));
                case "add" -> bamChannel(x).plus(bamSpatial(x));
                default -> bamChannel(x).combined(bamSpatial(x), Math::max);
              };
        };
    return x.times(combined.map(value -> 1 + sigmoid(value)));
  }

  private Grid bamChannel(Grid x) {
    Grid channel = average(x);
    for (int i = 0; i < Integer.parseInt(options.get("layers")); i++) {
      channel = convolution(channel, "channel_att.gate_c.gate_c_fc_" + i, 1, 1);
      channel = normalized(channel, "channel_att.gate_c.gate_c_bn_" + (i + 1)).map(Naive::relu);
    }
    return convolution(channel, "channel_att.gate_c.gate_c_fc_final", 1, 1);
  }

  private Grid bamSpatial(Grid x) {
    String gate = "spatial_att.gate_s.gate_s_";
    int dilation = Integer.parseInt(options.get("dilation"));
    Grid spatial = convolution(x, gate + "conv_reduce0", 1, 1);
    spatial = normalized(spatial, gate + "bn_reduce0").map(Naive::relu);
    for (int i = 0; i < Integer.parseInt(options.get("convs")); i++) {
      spatial = convolution(spatial, gate + "conv_di_" + i, 3, dilation);
      spatial = normalized(spatial, gate + "bn_di_" + i).map(Naive::relu);
    }
    return convolution(spatial, gate + "conv_final", 1, 1);
  }

  private Grid pam(Grid x, String prefix) {
    Grid query = convolution(x, prefix + "query_conv", 1, 1);
    Grid key = convolution(x, prefix + "key_conv", 1, 1);
    Grid value = convolution(x, prefix + "value_conv", 1, 1);
    Grid attended = Grid.empty(x.batch, x.channels, x.size);
    for (int b = 0; b < x.batch; b++) {
      for (int i = 0; i < x.positions(); i++) {
        double[] energy = new double[x.positions()];
        for (int j = 0; j < x.positions(); j++) {
          energy[j] = dot(query, i, key, j, b);
        }
        draw(attended, b, i, softmax(energy), value);
      }
    }
    return scaled(attended, prefix);
  }

  private Grid cam(Grid x, String prefix) {
    Grid attended = Grid.empty(x.batch, x.channels, x.size);
    for (int b = 0; b < x.batch; b++) {
      for (int i = 0; i < x.channels; i++) {
        double[] energy = new double[x.channels];
        for (int j = 0; j < x.channels; j++) {
          for (int n = 0; n < x.positions(); n++) {
            energy[j] += x.get(b, i, n) * x.get(b, j, n);
          }
        }
        double largest = Arrays.stream(energy).max().orElseThrow();
        double[] weights = softmax(Arrays.stream(energy).map(e -> largest - e).toArray());
        for (int j = 0; j < x.channels; j++) {
          for (int n = 0; n < x.positions(); n++) {
            attended.add(b, i, n, weights[j] * x.get(b, j, n));
          }
        }
      }
    }
    return scaled(attended, prefix);
  }

  private Grid scaled(Grid attended, String prefix) {
    double gamma = state.get(prefix + "gamma")[0];
    return attended.map(value -> gamma * value);
  }

  private Grid nonLocal(Grid x) {
    boolean subsample = options.get("subsample").equals("true");
    boolean bn = options.get("bn").equals("true");
    String mode = options.get("mode");
    boolean gaussian = mode.equals("gaussian");
    String first = subsample ? ".0" : "";
    Grid theta = gaussian ? x : convolution(x, "theta", 1, 1);
    Grid phi = gaussian ? x : convolution(x, "phi" + first, 1, 1);
    Grid g = convolution(x, "g" + first, 1, 1);
    if (subsample) {
      phi = halved(phi);
      g = halved(g);
    }
    Grid y = Grid.empty(x.batch, g.channels, x.size);
    for (int b = 0; b < x.batch; b++) {
      for (int i = 0; i < x.positions(); i++) {
        double[] f = new double[phi.positions()];
        for (int j = 0; j < f.length; j++) {
          f[j] =
              mode.equals("concatenation")
                  ? relu(projectedPair(theta, i, phi, j, b))
                  : dot(theta, i, phi, j, b);
          f[j] /= options.get("scale").equals("true") ? Math.sqrt(g.channels) : 1;
        }
        boolean softmax = gaussian || mode.equals("embedded_gaussian");
        draw(y, b, i, softmax ? softmax(f) : divided(f, f.length), g);
      }
    }
    Grid w = convolution(y, bn ? "W.0" : "W", 1, 1);
    return bn ? normalized(w, "W.1") : w;
  }

  /** The projection of theta and phi one after the other, as the paper writes it. */
  private double projectedPair(Grid theta, int i, Grid phi, int j, int b) {
    double[] weight = state.get("concat_project.0.weight");
    double sum = 0;
    for (int c = 0; c < weight.length; c++) {
      boolean front = c < theta.channels;
      sum += weight[c] * (front ? theta.get(b, c, i) : phi.get(b, c - theta.channels, j));
    }
    return sum;
  }

  /** Position {@code i} of {@code drawn} becomes the weighted sum of all positions of {@code value}. */
  private static void draw(Grid attended, int b, int i, double[] weights, Grid value) {
    for (int c = 0; c < attended.channels; c++) {
      for (int j = 0; j < weights.length; j++) {
        attended.add(b, c, i, weights[j] * value.get(b, c, j));
      }
    }
  }

  private static double dot(Grid left, int i, Grid right, int j, int b) {
    double sum = 0;
    for (int c = 0; c < left.channels; c++) {
      sum += left.get(b, c, i) * right.get(b, c, j);
    }
    return sum;
  }

  private static double[] softmax(double[] energy) {
    double largest = Arrays.stream(energy).max().orElseThrow();
    double[] powers = Arrays.stream(energy).map(e -> Math.exp(e - largest)).toArray();
    return divided(powers, Arrays.stream(powers).sum());
  }

  private static double[] divided(double[] values, double divisor) {
    return Arrays.stream(values).map(value -> value / divisor).toArray();
  }

  /** A convolution that keeps the size: zeros around, stride 1. Of one position: a linear layer. */
  private Grid convolution(Grid x, String name, int kernel, int dilation) {
    double[] weight = state.get(name + ".weight");
    double[] bias = state.get(name + ".bias");
    int[] window = new int[x.size.length];
    Arrays.fill(window, kernel);
    int points = product(window);
    int outputs = weight.length / (x.channels * points);
    Grid y = Grid.empty(x.batch, outputs, x.size);
    for (int b = 0; b < x.batch; b++) {
      for (int o = 0; o < outputs; o++) {
        for (int n = 0; n < x.positions(); n++) {
          y.add(b, o, n, bias == null ? 0 : bias[o]);
          for (int p = 0; p < points; p++) {
            int from = moved(n, x.size, p, window, dilation);
            for (int c = 0; from >= 0 && c < x.channels; c++) {
              y.add(b, o, n, weight[(o * x.channels + c) * points + p] * x.get(b, c, from));
            }
          }
        }
      }
    }
    return y;
  }

  /** Where a kernel centred on position {@code n} has its point {@code p}; -1 outside the map. */
  private static int moved(int n, int[] size, int p, int[] window, int dilation) {
    int position = 0;
    int stride = 1;
    for (int d = size.length - 1; d >= 0; d--) {
      int coordinate = n % size[d] + (p % window[d] - window[d] / 2) * dilation;
      if (coordinate < 0 || coordinate >= size[d]) {
        return -1;
      }
      position += coordinate * stride;
      stride *= size[d];
      n /= size[d];
      p /= window[d];
    }
    return position;
  }

  private Grid normalized(Grid x, String name) {
    Grid y = Grid.empty(x.batch, x.channels, x.size);
    int count = x.batch * x.positions();
    for (int c = 0; c < x.channels; c++) {
      double mean = state.get(name + ".running_mean")[c];
      double variance = state.get(name + ".running_var")[c];
      if (training) {
        mean = 0;
        variance = 0;
        for (int i = 0; i < count; i++) {
          mean += x.get(i / x.positions(), c, i % x.positions()) / count;
        }
        for (int i = 0; i < count; i++) {
          double off = x.get(i / x.positions(), c, i % x.positions()) - mean;
          variance += off * off / count;
        }
      }
      double scale = state.get(name + ".weight")[c] / Math.sqrt(variance + EPSILON);
      for (int i = 0; i < count; i++) {
        double off = x.get(i / x.positions(), c, i % x.positions()) - mean;
        y.add(i / x.positions(), c, i % x.positions(), off * scale + state.get(name + ".bias")[c]);
      }
    }
    return y;
  }

  /** The maximum of each two neighbours in each dimension but time; what is left over is dropped. */
  private static Grid halved(Grid x) {
    int[] window = new int[x.size.length];
    int[] size = x.size.clone();
    for (int d = 0; d < size.length; d++) {
      window[d] = size.length == 3 && d == 0 ? 1 : 2;
      size[d] /= window[d];
    }
    Grid y = Grid.empty(x.batch, x.channels, size);
    Arrays.fill(y.values, Double.NEGATIVE_INFINITY);
    for (int n = 0; n < x.positions(); n++) {
      int to = 0;
      int stride = 1;
      int rest = n;
      boolean inside = true;
      for (int d = size.length - 1; d >= 0; d--) {
        int coordinate = rest % x.size[d] / window[d];
        inside &= coordinate < size[d];
        to += coordinate * stride;
        stride *= size[d];
        rest /= x.size[d];
      }
      for (int bc = 0; inside && bc < x.batch * x.channels; bc++) {
        int target = bc * stride + to;
        y.values[target] = Math.max(y.values[target], x.values[bc * x.positions() + n]);
      }
    }
    return y;
  }

  private static Grid average(Grid x) {
    Grid y = Grid.empty(x.batch, x.channels);
    for (int i = 0; i < x.values.length; i++) {
      y.values[i / x.positions()] += x.values[i] / x.positions();
    }
    return y;
  }

  private static Grid maximum(Grid x) {
    Grid y = Grid.empty(x.batch, x.channels).map(zero -> Double.NEGATIVE_INFINITY);
    for (int i = 0; i < x.values.length; i++) {
      int target = i / x.positions();
      y.values[target] = Math.max(y.values[target], x.values[i]);
    }
    return y;
  }

  private static double relu(double value) {
    return Math.max(0, value);
  }

  private static double sigmoid(double value) {
    return 1 / (1 + Math.exp(-value));
  }

  private static int product(int... sizes) {
    return Arrays.stream(sizes).reduce(1, (a, b) -> a * b);
  }
}
