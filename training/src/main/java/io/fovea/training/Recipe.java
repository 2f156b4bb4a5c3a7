package io.fovea.training;

import io.fovea.data.AugmentSpec;
import io.fovea.data.DataException;
import io.fovea.data.bundled.Scenes;
import io.fovea.errors.SpecException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeSet;
import java.util.function.BiFunction;
import java.util.function.Function;
import java.util.stream.Collectors;

/**
 * The settings of a training as text: options of {@code fovea train}, one a line, such as {@code
 * --epochs 90}. Lines after {@code [classification]}, {@code [segmentation]} or {@code [video]} are
 * for this task alone; {@code #} begins a comment. What a recipe leaves out is the default of the
 * task.
 *
 * <pre>{@code
 * TrainingSpec spec = Recipe.named("paper").settings(Tasks.CLASSIFICATION);
 * System.out.print(Recipe.text(Tasks.CLASSIFICATION, spec));
 * }</pre>
 *
 * <p>Immutable and thread-safe.
 */
public final class Recipe {
  /** The recipe for networks with new weights. */
  public static final String SCRATCH = "scratch";

  /** The recipe for networks that start from trained weights. */
  public static final String FINETUNE = "finetune";

  /** The names of the recipes that Fovea has. */
  public static final List<String> NAMES = List.of("paper", FINETUNE, SCRATCH, "torchvision-v2");

  /** The number of epochs from which augmentation pays off. */
  private static final int AUGMENTED = 5;

  /** Larger rates would destroy what trained weights know. */
  private static final double SLOWER_FROM_WEIGHTS = 10;

  /** So few images have no statistics of their own. */
  private static final int SMALL_BATCH = 8;

  private static final double ADAPTIVE_RATE = 1e-3;
  private static final double DECOUPLED_DECAY = 0.05; // multiplied by the learning rate
  private static final double RMSPROP_DECAY = 1e-5; // as in torchvision's recipe of MobileNetV3

  private static final String ALL_TASKS = "";
  private static final String YES = "true"; // the value of a flag
  private static final String NO = "false";

  /**
   * An option: how its value is set, and what it is in settings, null if they do not have it or it
   * is the same as no option.
   */
  private record Setting(
      String name,
      BiFunction<TrainingSpec, String, TrainingSpec> set,
      Function<TrainingSpec, String> get) {}

  private static final List<Setting> SETTINGS =
      List.of(
          new Setting(
              "--epochs",
              (s, v) -> s.withEpochs(whole(v)),
              s -> s.optimization().seconds() > 0 ? null : Integer.toString(s.epochs())),
          new Setting(
              "--time",
              (s, v) -> s.withOptimization(s.optimization().withSeconds(seconds(v))),
              s -> s.optimization().seconds() > 0 ? Times.text(s.optimization().seconds()) : null),
          new Setting(
              "--batch-size",
              (s, v) -> s.withBatchSize(whole(v)),
              s -> Integer.toString(s.batchSize())),
          new Setting(
              "--accumulate",
              (s, v) -> s.withOptimization(s.optimization().withAccumulate(whole(v))),
              s -> unless(1, s.optimization().accumulate())),
          new Setting(
              "--optimizer",
              (s, v) -> s.withOptimization(s.optimization().withMethod(Optimization.Method.of(v))),
              s -> s.optimization().method().toString()),
          new Setting(
              "--learning-rate",
              (s, v) -> s.withLearningRate(number(v)),
              s -> text(s.learningRate())),
          new Setting(
              "--momentum",
              (s, v) -> s.withMomentum(number(v)),
              s ->
                  s.optimization().method() == Optimization.Method.ADAMW
                      ? null
                      : text(s.momentum())),
          new Setting(
              "--weight-decay", (s, v) -> s.withWeightDecay(number(v)), s -> text(s.weightDecay())),
          new Setting(
              "--schedule",
              (s, v) -> s.withSchedule(Schedule.parse(v)),
              s -> s.schedule().toString()),
          new Setting(
              "--warmup",
              (s, v) -> s.withSchedule(s.schedule().withWarmup(number(v))),
              s -> null), // the schedule has it
          new Setting(
              "--clip-gradient",
              (s, v) -> s.withOptimization(s.optimization().withClip(number(v))),
              s -> unless(0, s.optimization().clip())),
          new Setting(
              "--ema",
              (s, v) -> s.withOptimization(s.optimization().withEma(number(v))),
              s -> unless(0, s.optimization().ema())),
          new Setting(
              "--patience",
              (s, v) -> s.withOptimization(s.optimization().withPatience(whole(v))),
              s -> unless(0, s.optimization().patience())),
          new Setting(
              "--head-rate",
              (s, v) -> s.withTransfer(s.transfer().withHeadRate(number(v))),
              s -> unless(1, s.transfer().headRate())),
          new Setting(
              "--freeze",
              (s, v) -> s.withTransfer(s.transfer().withFreeze(v)),
              s -> s.transfer().freeze()),
          flag("--flip", TrainingSpec::withFlip, s -> s.flip()),
          new Setting(
              "--class-weights",
              (s, v) -> s.withExtras(s.extras().withClassWeights(ClassWeights.parse(v))),
              s -> s.extras().classWeights() == null ? null : s.extras().classWeights().option()),
          ofClasses(
              "--label-smoothing",
              (e, v) -> e.withLabelSmoothing(number(v)),
              e -> unless(0, e.labelSmoothing())),
          ofClasses(
              "--crop-padding",
              (e, v) -> e.withCropPadding(whole(v)),
              e -> Integer.toString(e.cropPadding())),
          ofClasses(
              "--augment",
              (e, v) -> e.withAugment(AugmentSpec.parse(v)),
              e -> e.augment().isEmpty() ? null : e.augment().toString()),
          ofClasses("--balance", (e, v) -> e.withBalance(yes(v)), e -> e.balance() ? YES : null),
          ofMasks(
              "--crop-size",
              (e, v) -> e.withCropSize(whole(v)),
              e -> Integer.toString(e.cropSize())),
          ofMasks(
              "--scale",
              (e, v) -> e.withScales(number(v.split(",", 2)[0]), number(v.split(",", 2)[1])),
              e -> text(e.minScale()) + "," + text(e.maxScale())),
          ofMasks(
              "--auxiliary-weight",
              (e, v) -> e.withAuxiliaryWeight(number(v)),
              e -> text(e.auxiliaryWeight())),
          ofMasks(
              "--keep-statistics",
              (e, v) -> e.withKeptStatistics(yes(v)),
              e -> Boolean.toString(e.keepStatistics())));

  private final String title;
  private final Map<String, Map<String, String>> options; // by task

  private Recipe(String title, Map<String, Map<String, String>> options) {
    this.title = title;
    this.options = options;
  }

  /**
   * One of Fovea's recipes.
   *
   * @param name {@code paper}, {@code finetune}, {@code scratch} or {@code torchvision-v2}
   * @throws SpecException if there is none of this name
   */
  public static Recipe named(String name) {
    if (!NAMES.contains(name)) {
      throw new SpecException(
          "unknown recipe: \""
              + name
              + "\"; there are "
              + String.join(", ", NAMES)
              + ", or a file");
    }
    try (InputStream in = Recipe.class.getResourceAsStream("recipes/" + name + ".txt")) {
      return parse(title(name), new String(in.readAllBytes(), StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /**
   * Reads a recipe from a text file.
   *
   * @throws DataException if it cannot be read
   * @throws SpecException if a line is none of a recipe; the message names it
   */
  public static Recipe read(Path file) {
    try {
      return parse(file.toString(), Files.readString(file));
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read as a recipe: " + reason(e), e);
    }
  }

  private static String reason(IOException e) {
    return e instanceof NoSuchFileException ? "the file does not exist" : e.getMessage();
  }

  /**
   * Finds a recipe for the user: one of {@link #NAMES}, or a file, also with an {@code @} in front.
   *
   * @throws SpecException if there is none of this name
   * @throws DataException if the file cannot be read
   */
  public static Recipe of(String nameOrFile) {
    boolean marked = nameOrFile.startsWith("@");
    Path file = Path.of(marked ? nameOrFile.substring(1) : nameOrFile);
    return marked || (!NAMES.contains(nameOrFile) && Files.exists(file))
        ? read(file)
        : named(nameOrFile);
  }

  /**
   * Reads a text.
   *
   * @param title names the text in messages
   * @throws SpecException if a line is none of a recipe; the message names it
   */
  public static Recipe parse(String title, String text) {
    Map<String, Map<String, String>> options = new LinkedHashMap<>();
    String task = ALL_TASKS;
    for (String raw : text.lines().toList()) {
      String line = raw.strip();
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      if (line.startsWith("[") && line.endsWith("]")) {
        task = Tasks.of(line.substring(1, line.length() - 1)).toString();
        options.putIfAbsent(task, new LinkedHashMap<>());
        continue;
      }
      String[] pieces = line.split("[\\s=]+", 2);
      String name = pieces[0].replaceFirst("^--no-", "--");
      boolean known = SETTINGS.stream().anyMatch(setting -> setting.name().equals(name));
      if (!known || (pieces[0].startsWith("--no-") && pieces.length > 1)) {
        throw new SpecException(title + ": \"" + line + "\" is no setting of a recipe");
      }
      String value = pieces.length > 1 ? pieces[1] : Boolean.toString(name.equals(pieces[0]));
      options.computeIfAbsent(task, key -> new LinkedHashMap<>()).put(name, value);
    }
    return new Recipe(title, options);
  }

  /** What the recipe says about a task. */
  private Map<String, String> options(Task<?, ?> task) {
    if (!options.isEmpty()
        && !options.containsKey(ALL_TASKS)
        && !options.containsKey(task.toString())) {
      throw new SpecException(
          title
              + ": is for "
              + String.join(" and ", new TreeSet<>(options.keySet()))
              + ", not for "
              + task);
    }
    Map<String, String> all = new LinkedHashMap<>(options.getOrDefault(ALL_TASKS, Map.of()));
    all.putAll(options.getOrDefault(task.toString(), Map.of()));
    return all;
  }

  /** Whether the recipe sets an option of a task, such as {@code --epochs}. */
  public boolean sets(Task<?, ?> task, String option) {
    return options(task).containsKey(option);
  }

  /**
   * The settings of the recipe, and the defaults of the task for all others.
   *
   * @throws SpecException if the recipe does not fit the task, or a value is out of range
   */
  public TrainingSpec settings(Task<?, ?> task) {
    TrainingSpec spec = task.training();
    for (Map.Entry<String, String> option : options(task).entrySet()) {
      Setting setting =
          SETTINGS.stream().filter(s -> s.name().equals(option.getKey())).findFirst().orElseThrow();
      try {
        spec = setting.set().apply(spec, option.getValue());
      } catch (SpecException | NumberFormatException | IndexOutOfBoundsException e) {
        throw new SpecException(
            title + ": " + option.getKey() + " " + option.getValue() + ": " + reason(e), e);
      }
    }
    return spec;
  }

  /**
   * The settings for a training whose length and optimiser somebody chose; what the recipe does not
   * set follows from them. Fewer than 5 epochs do not repay images that are shifted and mirrored at
   * random. AdamW and RMSprop divide by the size of the gradients, and want another learning rate
   * and weight decay than SGD.
   *
   * @param epochs the number of epochs
   * @param method the optimiser
   * @param fromWeights whether trained weights are to be kept by small steps
   * @throws SpecException as {@link #settings(Task)}, or if the number of epochs is less than 1
   */
  public TrainingSpec settings(
      Task<?, ?> task, int epochs, Optimization.Method method, boolean fromWeights) {
    TrainingSpec usual = settings(task);
    boolean asUsual = method == usual.optimization().method();
    TrainingSpec spec =
        usual.withEpochs(epochs).withOptimization(usual.optimization().withMethod(method));
    if (!asUsual || !sets(task, "--learning-rate")) {
      double rate =
          method == Optimization.Method.SGD ? task.training().learningRate() : ADAPTIVE_RATE;
      spec = spec.withLearningRate(rate / (fromWeights ? SLOWER_FROM_WEIGHTS : 1));
    }
    if (!asUsual || !sets(task, "--weight-decay")) {
      spec = spec.withWeightDecay(weightDecay(task, method));
    }
    if (epochs < AUGMENTED && usual.extras() instanceof ClassificationExtras extras) {
      spec = spec.withFlip(sets(task, "--flip") && usual.flip());
      spec = spec.withExtras(sets(task, "--crop-padding") ? extras : extras.withCropPadding(0));
    }
    return spec;
  }

  /**
   * Settings of images with masks, as they suit a training: the bundled scenes are seen whole, because
   * a part of one does not show the rest; and where trained weights see fewer than 8 images in a step,
   * the running statistics of their batch norms are kept. What the recipe sets stays.
   *
   * @param usual settings of this recipe
   * @param batchSize the number of images in a step
   * @param fromWeights whether the network starts from trained weights
   * @param bundled whether the images are the bundled scenes
   */
  public SegmentationExtras fitted(
      Task<?, ?> task,
      SegmentationExtras usual,
      int batchSize,
      boolean fromWeights,
      boolean bundled) {
    SegmentationExtras fitted = usual;
    if (bundled && !sets(task, "--crop-size")) {
      fitted = fitted.withCropSize(Scenes.SIDE);
    }
    if (bundled && !sets(task, "--scale")) {
      fitted = fitted.withScales(1, 1);
    }
    return fitted.withKeptStatistics(
        usual.keepStatistics() || (fromWeights && batchSize < SMALL_BATCH));
  }

  /** Whether this is {@link #FINETUNE}, so that its steps are to keep trained weights. */
  public boolean keepsWeights() {
    return title.equals(title(FINETUNE));
  }

  private static String title(String name) {
    return "recipe " + name;
  }

  private static double weightDecay(Task<?, ?> task, Optimization.Method method) {
    return switch (method) {
      case SGD -> task.training().weightDecay();
      case ADAMW -> DECOUPLED_DECAY;
      case RMSPROP -> RMSPROP_DECAY;
    };
  }

  private static String reason(RuntimeException e) {
    return e instanceof SpecException ? e.getMessage() : "expected a number";
  }

  /**
   * Writes settings as a recipe, which gives the same settings again but for their seed.
   *
   * @param task the task of the settings
   */
  public static String text(Task<?, ?> task, TrainingSpec spec) {
    List<String> lines = new ArrayList<>(List.of("# a training of " + task));
    for (Setting setting : SETTINGS) {
      String value = setting.get().apply(spec);
      if (value != null) {
        lines.add(line(setting.name(), value));
      }
    }
    return lines.stream().map(line -> line + "\n").collect(Collectors.joining());
  }

  private static String line(String name, String value) {
    return switch (value) {
      case YES -> name;
      case NO -> name.replaceFirst("^--", "--no-");
      default -> name + " " + value;
    };
  }

  @Override
  public String toString() {
    return title;
  }

  private static double seconds(String text) {
    return Times.parse(text).toMillis() / 1000.0;
  }

  private static int whole(String text) {
    return Integer.parseInt(text);
  }

  private static double number(String text) {
    return Double.parseDouble(text.strip());
  }

  private static boolean yes(String text) {
    SpecException.check(text.equals(YES) || text.equals(NO), "takes no value");
    return text.equals(YES);
  }

  private static String unless(double usual, double value) {
    return value == usual ? null : text(value);
  }

  /** A number without an exponent, as people write it. */
  private static String text(double value) {
    return new BigDecimal(Double.toString(value)).stripTrailingZeros().toPlainString();
  }

  private static Setting flag(
      String name,
      BiFunction<TrainingSpec, Boolean, TrainingSpec> set,
      Function<TrainingSpec, Boolean> get) {
    return new Setting(name, (s, v) -> set.apply(s, yes(v)), s -> Boolean.toString(get.apply(s)));
  }

  private static Setting ofClasses(
      String name,
      BiFunction<ClassificationExtras, String, ClassificationExtras> set,
      Function<ClassificationExtras, String> get) {
    return new Setting(
        name,
        (s, v) -> {
          if (s.extras() instanceof ClassificationExtras extras) {
            return s.withExtras(set.apply(extras, v));
          }
          throw new SpecException("is not for segmentation");
        },
        s -> s.extras() instanceof ClassificationExtras extras ? get.apply(extras) : null);
  }

  private static Setting ofMasks(
      String name,
      BiFunction<SegmentationExtras, String, SegmentationExtras> set,
      Function<SegmentationExtras, String> get) {
    return new Setting(
        name,
        (s, v) -> {
          if (s.extras() instanceof SegmentationExtras extras) {
            return s.withExtras(set.apply(extras, v));
          }
          throw new SpecException("is for segmentation");
        },
        s -> s.extras() instanceof SegmentationExtras extras ? get.apply(extras) : null);
  }
}
