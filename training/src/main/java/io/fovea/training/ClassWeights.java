package io.fovea.training;

import static io.fovea.errors.SpecException.check;

import com.fasterxml.jackson.annotation.JsonCreator;
import com.fasterxml.jackson.annotation.JsonValue;
import com.fasterxml.jackson.databind.JsonNode;
import io.fovea.data.DataException;
import io.fovea.errors.SpecException;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.function.Supplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptional;

/**
 * The weight of each class in the loss: numbers in the order of the classes, numbers by name, or
 * {@link #BALANCED}. A training replaces names and balanced weights by the numbers for its classes.
 * Immutable and thread-safe.
 */
public final class ClassWeights {
  private static final String BALANCED_NAME = "balanced";

  /**
   * Larger weights for rare classes: for classification {@code images / (classes * images of the
   * class)}, as scikit-learn's, and for segmentation {@link
   * SegmentationExtras#balanced(io.fovea.data.SegmentationDataset)}.
   */
  public static final ClassWeights BALANCED = new ClassWeights(null, null, null);

  private static final Pattern LINE = Pattern.compile("(.+?)\\s*[\\s,=]\\s*(\\S+)");

  private final List<Double> numbers;
  private final Map<String, Double> named;
  private final Path file; // of the names; null for none

  private ClassWeights(List<Double> numbers, Map<String, Double> named, Path file) {
    this.file = file;
    this.numbers = numbers == null ? null : List.copyOf(numbers);
    this.named = named;
    List<Double> all = numbers != null ? numbers : named != null ? values(named) : List.of(1.0);
    check(
        all.stream().allMatch(weight -> weight >= 0 && Double.isFinite(weight))
            && all.stream().anyMatch(weight -> weight > 0),
        "class weights must be at least 0 and not all 0, got " + all);
  }

  private static List<Double> values(Map<String, Double> named) {
    return List.copyOf(named.values());
  }

  /**
   * Weights in the order of the classes.
   *
   * @throws SpecException if one is below 0, or all are 0
   */
  public static ClassWeights of(List<Double> numbers) {
    return new ClassWeights(numbers, null, null);
  }

  /**
   * Weights by the names of the classes.
   *
   * @throws SpecException if one is below 0, or all are 0
   */
  public static ClassWeights of(Map<String, Double> named) {
    return new ClassWeights(null, new LinkedHashMap<>(named), null);
  }

  /**
   * Reads an option: {@code balanced}, numbers separated by commas, or the name of a text file that
   * has a line {@code NAME WEIGHT} for each class.
   *
   * @throws SpecException if it is none of these, or a weight is out of range
   * @throws DataException if the file cannot be read
   */
  public static ClassWeights parse(String text) {
    if (text.equals(BALANCED_NAME)) {
      return BALANCED;
    }
    if (Files.isRegularFile(Path.of(text))) {
      return read(Path.of(text));
    }
    List<Double> numbers = new ArrayList<>();
    for (String piece : text.split(",", -1)) {
      try {
        numbers.add(Double.valueOf(piece.strip()));
      } catch (NumberFormatException e) {
        throw new SpecException(
            "--class-weights must be balanced or numbers, got \"" + piece + "\"", e);
      }
    }
    return of(numbers);
  }

  private static ClassWeights read(Path file) {
    Map<String, Double> named = new LinkedHashMap<>();
    try {
      for (String line : Files.readAllLines(file)) {
        Matcher matcher = LINE.matcher(line.strip());
        if (matcher.matches()) {
          named.put(matcher.group(1), Double.valueOf(matcher.group(2)));
        } else if (!line.isBlank()) {
          throw new SpecException(file + ": expected NAME WEIGHT, got \"" + line + "\"");
        }
      }
    } catch (NumberFormatException e) {
      throw new SpecException(file + ": expected NAME WEIGHT: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
    return new ClassWeights(null, named, file);
  }

  /** The option that {@link #parse} reads as these weights; null for names that are in no file. */
  String option() {
    if (numbers != null) {
      return numbers.stream().map(String::valueOf).collect(Collectors.joining(","));
    }
    return named == null ? BALANCED_NAME : file == null ? null : file.toString();
  }

  @JsonCreator
  static ClassWeights of(JsonNode json) {
    if (json.isTextual() && json.asText().equals(BALANCED_NAME)) {
      return BALANCED;
    }
    if (json.isObject()) {
      Map<String, Double> named = new LinkedHashMap<>();
      json.properties().forEach(entry -> named.put(entry.getKey(), entry.getValue().asDouble()));
      return of(named);
    }
    List<Double> numbers = new ArrayList<>();
    json.forEach(number -> numbers.add(number.asDouble()));
    return of(numbers);
  }

  /** The numbers, the numbers by name, or {@code balanced}. */
  @JsonValue
  Object json() {
    return numbers != null ? numbers : named != null ? named : BALANCED_NAME;
  }

  /**
   * Returns the numbers for classes.
   *
   * @param balanced computes balanced weights
   * @throws SpecException if there is not one weight for each class
   */
  ClassWeights resolved(List<String> classes, Supplier<List<Double>> balanced) {
    if (numbers == null && named == null) {
      return of(balanced.get());
    }
    if (named != null) {
      for (String name : named.keySet()) {
        check(classes.contains(name), "there is a weight for \"" + name + "\", but no such class");
      }
      for (String name : classes) {
        check(named.containsKey(name), "there is no weight for the class \"" + name + "\"");
      }
      return of(classes.stream().map(named::get).toList());
    }
    check(
        numbers.size() == classes.size(),
        "expected a weight for each of the " + classes.size() + " classes, got " + numbers.size());
    return this;
  }

  /** The weights of an image of each class, as scikit-learn's {@code compute_class_weight}. */
  static List<Double> balanced(int[] labels, int classes) {
    long[] counts = new long[classes];
    for (int label : labels) {
      counts[label]++;
    }
    List<Double> weights = new ArrayList<>();
    for (long count : counts) {
      weights.add(count == 0 ? 0 : labels.length / ((double) classes * count));
    }
    return weights;
  }

  /**
   * The sum of the weights of labels.
   *
   * @param weights the weight of each class, as {@link #tensor}
   * @param labels int64, any shape
   */
  static double sum(TensorOptional weights, Tensor labels) {
    return weights.get().index_select(0, labels.reshape(-1)).sum().item_double();
  }

  /** The weights of a loss, float32 {@code [classes]} of the open scope; nothing for null. */
  static TensorOptional tensor(ClassWeights weights) {
    if (weights == null) {
      return new TensorOptional();
    }
    float[] values = new float[weights.numbers.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = weights.numbers.get(i).floatValue();
    }
    return new TensorOptional(Tensor.create(values));
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof ClassWeights weights && weights.json().equals(json());
  }

  @Override
  public int hashCode() {
    return Objects.hash(json());
  }

  /** As in JSON. */
  @Override
  public String toString() {
    return json().toString();
  }
}
