package io.fovea.models.weights;

import io.fovea.models.weights.internal.UntrustedInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.regex.PatternSyntaxException;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The names of weights in another library, and rules that convert them to Fovea's names. The rules
 * are plain text.
 *
 * <pre>
 *   # a comment
 *   ^backbone\.             -&gt;
 *   ^(layer\d+\.\d+)\.att\. -&gt; $1.se.fc.
 *   ^head\.                 -&gt; (drop: another task's)
 *   \.gate\.conv\.weight$   -&gt; .sa.conv.weight (reverse inputs)
 * </pre>
 *
 * <p>The left side is a regular expression that is searched in each name. The right side replaces
 * its first match; {@code $1} is the first group. All rules are applied to each name in their
 * order. {@code (drop: why)} leaves the tensor out, and {@code (refuse: why)} ends the import. After
 * the new name, {@code (reverse inputs)} reverses the order of a convolution's input channels, {@code
 * (zero bias)} adds a bias of zeros for a convolution whose weight this is, if it has none, and {@code (one frame)} makes a
 * kernel of images, {@code [out, in, k, k]}, one of clips, {@code [out, in, 1, k, k]}.
 *
 * <p>The layouts that Fovea recognises are such tables in {@code layouts/} beside this class.
 *
 * <p>Immutable and thread-safe.
 */
public final class Layout {
  /** The layouts in the order in which they are tried; special ones come first. */
  private static final List<String> KNOWN =
      List.of(
          "paddle",
          "timm-skresnet",
          "timm-resnest",
          "timm-convnextv2",
          "timm-convnext",
          "timm-mobilenetv3",
          "timm-efficientnet",
          "timm-regnety",
          "torchvision-mobilenetv3",
          "torchvision-efficientnet",
          "torchvision-regnety",
          "torchvision-densenet",
          "torchvision-googlenet",
          "mmsegmentation-refused",
          "mmsegmentation-danet",
          "mmsegmentation-psp",
          "mmsegmentation-aspp",
          "mmsegmentation-ocr",
          "mmsegmentation-ann",
          "mmsegmentation-fcn",
          "torchvision-deeplabv3",
          "torchvision-fcn",
          "official-danet",
          "mmaction-refused",
          "mmaction",
          "video-nonlocal-net-affine",
          "video-nonlocal-net",
          "mmpretrain-resnet",
          "transformers-resnet",
          "pretrainedmodels-senet",
          "akamaster-resnet",
          "torchvision-resnet");

  private static final String BYTE_ORDER_MARK = "\uFEFF";
  private static final Pattern RULE = Pattern.compile("(.+?)\\s+->\\s*(.*)");
  private static final Pattern FACT =
      Pattern.compile("(title|recognised by|with|without|note|not for|form): (.*)");
  private static final Pattern ACTION = Pattern.compile("(.*?)\\s*\\(([^():]+)(?::\\s*(.*))?\\)");

  private enum Action {
    RENAME,
    REVERSE_INPUTS,
    ZERO_BIAS,
    ONE_FRAME,
    DROP,
    REFUSE
  }

  private record Rule(
      String where, Pattern pattern, String replacement, Action action, String reason) {}

  /**
   * Weights under their new names.
   *
   * @param tensors the tensors by their new names
   * @param dropped the reasons for tensors that were left out, by their old names
   * @param idle the rules that matched no name, with their file and line
   */
  public record Renamed(
      Map<String, Tensor> tensors, Map<String, String> dropped, List<String> idle) {}

  private final String title;
  private final Pattern recognised;
  private final Pattern with;
  private final Pattern without;
  private final String note;
  private final String notFor;
  private final String form;
  private final List<Rule> rules;

  private Layout(String file, Map<String, String> facts, List<Rule> rules) {
    title = facts.getOrDefault("title", file);
    recognised = pattern(file, facts.get("recognised by"));
    with = pattern(file, facts.get("with"));
    without = pattern(file, facts.get("without"));
    note = facts.get("note");
    notFor = facts.get("not for");
    form = facts.get("form");
    this.rules = rules;
  }

  /**
   * Reads a table of the user.
   *
   * @throws IOException if the file cannot be read
   * @throws WeightsException if a line is invalid; the message names the file and the line
   */
  public static Layout read(Path file) throws IOException {
    Layout layout = parse(file.toString(), lines(file));
    if (layout.recognised != null) {
      throw new WeightsException(
          file + ": \"recognised by:\" is allowed in Fovea's own layouts only; use lines with ->");
    }
    return layout;
  }

  private static List<String> lines(Path file) throws IOException {
    try {
      String text = Files.readString(file);
      return (text.startsWith(BYTE_ORDER_MARK) ? text.substring(1) : text).lines().toList();
    } catch (CharacterCodingException e) {
      throw new WeightsException(file + ": is not UTF-8 text; save it as UTF-8", e);
    }
  }

  /**
   * Refuses a backbone whose networks in this library compute something else, although names and
   * shapes are the same.
   *
   * @throws WeightsException if it is one of these
   */
  public void requireKnown(String backbone) {
    if (notFor == null) {
      return;
    }
    int colon = notFor.indexOf(": ");
    if (List.of(notFor.substring(0, colon).split(", ")).contains(backbone)) {
      throw new WeightsException(title + ", " + backbone + ": " + notFor.substring(colon + 2));
    }
  }

  /** Finds the known layout with these names, if there is one. */
  public static Optional<Layout> recognise(Set<String> names) {
    return KNOWN.stream().map(Layout::known).filter(layout -> layout.isOf(names)).findFirst();
  }

  /** Whether these are its names: one is the mark, one is {@code with}, and none is {@code without}. */
  private boolean isOf(Set<String> names) {
    return names.stream().anyMatch(recognised.asPredicate())
        && (with == null || names.stream().anyMatch(with.asPredicate()))
        && (without == null || names.stream().noneMatch(without.asPredicate()));
  }

  private static Layout known(String name) {
    String file = name + ".txt";
    try (InputStream in = Layout.class.getResourceAsStream("layouts/" + file)) {
      return parse(file, new String(in.readAllBytes(), StandardCharsets.UTF_8).lines().toList());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Layout parse(String file, List<String> lines) {
    Map<String, String> facts = new LinkedHashMap<>();
    List<Rule> rules = new ArrayList<>();
    for (int i = 0; i < lines.size(); i++) {
      String line = lines.get(i).strip();
      String where = file + ", line " + (i + 1);
      Matcher rule = RULE.matcher(line);
      Matcher fact = FACT.matcher(line);
      if (line.isEmpty() || line.startsWith("#")) {
        continue;
      }
      if (rule.matches()) {
        rules.add(rule(where, rule.group(1), rule.group(2)));
      } else if (fact.matches()) {
        facts.put(fact.group(1), fact.group(2));
      } else {
        throw new WeightsException(where + ": expected regex -> replacement, got \"" + line + "\"");
      }
    }
    return new Layout(file, facts, rules);
  }

  private static Rule rule(String where, String regex, String right) {
    Pattern pattern = pattern(where, regex);
    Matcher action = ACTION.matcher(right);
    if (!action.matches()) {
      return new Rule(where, pattern, right, Action.RENAME, "");
    }
    String reason = action.group(3) == null ? "" : action.group(3);
    return switch (action.group(2)) {
      case "reverse inputs" ->
          new Rule(where, pattern, action.group(1), Action.REVERSE_INPUTS, reason);
      case "zero bias" -> new Rule(where, pattern, action.group(1), Action.ZERO_BIAS, reason);
      case "one frame" -> new Rule(where, pattern, action.group(1), Action.ONE_FRAME, reason);
      case "drop" -> new Rule(where, pattern, "", Action.DROP, reason);
      case "refuse" -> new Rule(where, pattern, "", Action.REFUSE, reason);
      default ->
          throw new WeightsException(
              where
                  + ": expected (drop: why), (refuse: why), (reverse inputs), (zero bias) or (one"
                  + " frame), got \""
                  + right
                  + "\"");
    };
  }

  private static Pattern pattern(String where, String regex) {
    try {
      return regex == null ? null : Pattern.compile(regex);
    } catch (PatternSyntaxException e) {
      throw new WeightsException(
          where + ": not a regular expression: " + e.getDescription() + " in \"" + regex + "\"", e);
    }
  }

  /** The library of the names, for messages. */
  public String title() {
    return title;
  }

  /** A note for the user who imports such a file, if there is one. */
  public Optional<String> note() {
    return Optional.ofNullable(note);
  }

  /** Whose code a segmentation network in this layout follows, where codes differ. */
  public Optional<String> form() {
    return Optional.ofNullable(form);
  }

  /**
   * Renames weights. Tensors that change are copied, others are passed through.
   *
   * @throws WeightsException if a rule refuses a tensor, if two tensors get the same name, or if a
   *     rule cannot be applied
   */
  public Renamed rename(Map<String, Tensor> tensors) {
    Map<String, Tensor> renamed = new LinkedHashMap<>();
    Map<String, String> origins = new LinkedHashMap<>();
    Map<String, String> dropped = new LinkedHashMap<>();
    Set<Rule> used = new HashSet<>();
    tensors.forEach(
        (origin, tensor) -> {
          String name = origin;
          Tensor value = tensor;
          boolean biased = false;
          for (Rule rule : rules) {
            Matcher matcher = rule.pattern.matcher(name);
            if (!matcher.find()) {
              continue;
            }
            used.add(rule);
            switch (rule.action) {
              case DROP -> {
                dropped.put(origin, rule.reason);
                return;
              }
              case REFUSE ->
                  throw new WeightsException(
                      UntrustedInput.text(origin) + ": " + rule.reason + " (" + rule.where + ")");
              case REVERSE_INPUTS -> value = reversed(origin, value);
              case ZERO_BIAS -> biased = true;
              case ONE_FRAME -> value = value.dim() == 4 ? value.unsqueeze(2) : value;
              case RENAME -> {}
            }
            name = replaced(rule, matcher);
          }
          String other = origins.put(name, origin);
          if (other != null) {
            throw new WeightsException(
                UntrustedInput.text(other)
                    + " and "
                    + UntrustedInput.text(origin)
                    + " would both become "
                    + UntrustedInput.text(name));
          }
          renamed.put(name, value);
          boolean without = !tensors.containsKey(origin.replaceAll("weight$", "bias"));
          if (biased && without && value.dim() > 0) {
            String bias = name.replaceAll("weight$", "bias");
            origins.put(bias, origin);
            renamed.put(bias, torch.zeros(new long[] {value.size(0)}, value.options()));
          }
        });
    List<String> idle =
        rules.stream()
            .filter(rule -> !used.contains(rule))
            .map(rule -> rule.where + ", \"" + rule.pattern + "\"")
            .toList();
    return new Renamed(renamed, dropped, idle);
  }

  private static Tensor reversed(String name, Tensor weight) {
    if (weight.dim() < 2) {
      throw new WeightsException(UntrustedInput.text(name) + " has no input channels to reverse");
    }
    return weight.flip(1);
  }

  private static String replaced(Rule rule, Matcher matcher) {
    try {
      return matcher.replaceFirst(rule.replacement);
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw new WeightsException(
          rule.where + ": \"" + rule.replacement + "\" cannot be filled in: " + e.getMessage(), e);
    }
  }
}
