package io.fovea.app.cli;

import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.models.weights.StateDict;
import io.fovea.nn.Flow;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;

/**
 * The page of a mechanism in docs/mechanisms, and the index of the pages, as Markdown. All that they say
 * is in {@link Mechanism}, and the picture of the data flow is drawn from the equation itself.
 */
final class MechanismPage {
  private static final int CHANNELS = 256;
  private static final int SIDE = 28;
  private static final int CHANNELS_OF_FLOW = 384; // no part of it is a usual number of groups
  private static final String INDEX = "README.md";
  private static final String MADE =
      "<!-- Made by fovea mechanisms --docs; change the mechanism or its results, not this file. -->\n";

  private MechanismPage() {}

  /**
   * Writes the page of each mechanism of Fovea and the index into a folder.
   *
   * @param measured what a comparison measured, if there is one
   */
  static void writeAll(Path folder, Optional<MeasuredMechanisms> measured) throws IOException {
    Files.createDirectories(folder);
    for (Map.Entry<String, String> page : all(measured).entrySet()) {
      Files.writeString(folder.resolve(page.getKey()), page.getValue());
    }
  }

  /** The texts of all pages by the names of their files. */
  private static Map<String, String> all(Optional<MeasuredMechanisms> measured) {
    Map<String, String> pages = new LinkedHashMap<>();
    pages.put(INDEX, index() + measured.map(MeasuredMechanisms::ofAll).orElse(""));
    for (Mechanism mechanism : Mechanism.all()) {
      String effect = measured.map(all -> all.of(mechanism.name())).orElse("");
      pages.put(mechanism.name() + ".md", of(mechanism, effect));
    }
    return pages;
  }

  private static String index() {
    StringBuilder text = new StringBuilder("# The mechanisms\n\n").append(MADE).append('\n');
    text.append(
        "A page for each mechanism: its equation, a picture of its data flow, its cost, its options,"
            + " its code and\ncopies that differ. `./fovea mechanisms NAME` prints the same. [Reference"
            + " implementations](../references.md) tells more\nabout code and copies,"
            + " [placements](../placements.md) about places.\n\n");
    text.append("| mechanism | what it does | its place | parameters |\n|---|---|---|---|\n");
    for (Mechanism mechanism : Mechanism.all()) {
      text.append(
          row(
              "[%s](%s.md) `%s`".formatted(mechanism.title(), mechanism.name(), mechanism.name()),
              mechanism.summary(),
              place(mechanism),
              mechanism.cost().map(cost -> code(cost.parameters())).orElse("")));
    }
    return text.toString();
  }

  /** The page of a mechanism, with the section of what was measured, which may be empty. */
  private static String of(Mechanism mechanism, String effect) {
    StringBuilder text = new StringBuilder();
    text.append("# %s (`%s`)%n%n".formatted(mechanism.title(), mechanism.name()));
    text.append(MADE).append('\n');
    String summary = mechanism.summary();
    text.append(summary.substring(0, 1).toUpperCase(Locale.ROOT)).append(summary.substring(1));
    text.append(".\n\n");
    mechanism
        .equation()
        .lines()
        .forEach(line -> text.append(line.isEmpty() ? "" : "    " + line).append('\n'));
    text.append('\n');
    String paper = link(mechanism);
    text.append("| | |\n|---|---|\n");
    text.append(row("paper", "[%s](%s)".formatted(mechanism.paper(), paper)));
    text.append(row("place in its paper, or close to it", place(mechanism)));
    text.append(row("spatial dimensions", dimensions(mechanism)));
    text.append(row("`explain` shows", shows(mechanism)));
    text.append("\n## Data flow\n\n");
    text.append(picture(mechanism)).append('\n');
    text.append(cost(mechanism));
    text.append(effect);
    text.append(options(mechanism));
    if (!mechanism.variants().isEmpty()) {
      text.append("\n## Variants\n\n| spec | whose |\n|---|---|\n");
      mechanism.variants().forEach((spec, whose) -> text.append(row(code(spec), whose)));
    }
    if (!mechanism.code().isEmpty()) {
      text.append("\n## Code\n\n| | | version | file |\n|---|---|---|---|\n");
      for (Mechanism.Code code : mechanism.code()) {
        text.append(
            row(
                code.role(),
                "[%s](%s)".formatted(code.repository(), address(code)),
                code.version(),
                code.file().isEmpty() ? "" : code(code.file())));
      }
    }
    if (!mechanism.copies().isEmpty()) {
      text.append(
          """

          ## Copies that differ

          Seen by running them (`scripts/golden/copies.py`).

          | copy | finding |
          |---|---|
          """);
      mechanism.copies().forEach(copy -> text.append(row(copy.getKey(), copy.getValue())));
    }
    return text.toString();
  }

  private static String cost(Mechanism mechanism) {
    StringBuilder text = new StringBuilder("\n## Cost\n\n");
    text.append("| | formula | %d channels, %d x %d |%n".formatted(CHANNELS, SIDE, SIDE));
    text.append("|---|---|---|\n");
    try (PointerScope scope = new PointerScope()) {
      Attention module = module(mechanism);
      long parameters =
          StateDict.parameters(module).values().stream().mapToLong(Tensor::numel).sum();
      String ofParameters = mechanism.cost().map(c -> code(c.parameters())).orElse("");
      String ofMacs = mechanism.cost().map(c -> code(c.macs())).orElse("");
      text.append(row("parameters", ofParameters, number(parameters)));
      text.append(
          row(
              "multiply-accumulates of one image",
              ofMacs,
              number(module.macs(1, CHANNELS, SIDE, SIDE))));
    }
    return text.append(
            "\nWith the default options; options with numbers may vary. H and W are height and width, N ="
                + " H·W; `/` and `log2`\nround down. Convolutions, linear layers and products of"
                + " matrices are counted.\n")
        .toString();
  }

  private static String number(long value) {
    return String.format(Locale.ROOT, "%,d", value);
  }

  private static String options(Mechanism mechanism) {
    if (mechanism.options().isEmpty()) {
      return "";
    }
    StringBuilder text =
        new StringBuilder("\n## Options\n\n| option | default | meaning |\n|---|---|---|\n");
    Map<String, String> defaults = mechanism.spec().options();
    for (var option : mechanism.options()) {
      String rule =
          option.rule().map(words -> "; where not given, networks choose " + words).orElse("");
      text.append(
          row(code(option.name()), code(defaults.get(option.name())), option.description() + rule));
    }
    return text.toString();
  }

  /** The module with the defaults, as it is for images. */
  private static Attention module(Mechanism mechanism) {
    return mechanism.spec().create(CHANNELS, 2);
  }

  /** The steps of the equation, for pictures. */
  static List<Flow.Step> flow(AttentionSpec spec) {
    try (PointerScope scope = new PointerScope()) {
      return spec.create(CHANNELS_OF_FLOW, 2).flow();
    }
  }

  private static String picture(Mechanism mechanism) {
    List<Flow.Step> steps = flow(mechanism.spec());
    List<String> lines = new ArrayList<>(List.of("```mermaid", "flowchart TD"));
    for (int i = 0; i < steps.size(); i++) {
      Flow.Step step = steps.get(i);
      String name = step.layer().isEmpty() ? "" : "<br>" + step.layer();
      String label = step.operation() + name + "<br>" + step.shape();
      boolean end = i == 0 || i == steps.size() - 1;
      lines.add("  s%d%s\"%s\"%s".formatted(i, end ? "([" : "[", label, end ? "])" : "]"));
    }
    for (int i = 0; i < steps.size(); i++) {
      for (int from : steps.get(i).from()) {
        lines.add("  s%d --> s%d".formatted(from, i));
      }
    }
    lines.add("```");
    return String.join("\n", lines)
        + "\n\nRecorded from the equation for "
        + CHANNELS_OF_FLOW
        + " channels; steps that only reshape are left out.";
  }

  static String place(Mechanism mechanism) {
    return switch (mechanism.place()) {
      case BLOCK -> "in every block, before the addition";
      case STAGE_ENDS -> "at the end of every stage but the last";
      case LAST_STAGE_BUT_ONE -> "at the end of the last stage but one";
      case CONVOLUTION -> "in place of the 3x3 convolution of every block";
      case CONVOLUTION_OF_LAST_STAGE -> "in place of the 3x3 convolutions of the last stage";
    };
  }

  static String shows(Mechanism mechanism) {
    String kinds =
        mechanism.shows().stream()
            .map(
                kind ->
                    switch (kind) {
                      case CHANNEL_GATES -> "a gate of each channel";
                      case SPATIAL_GATES -> "a gate of each position";
                      case AFFINITY -> "what each position attends to";
                      case CHANNEL_AFFINITY -> "what each channel attends to";
                    })
            .collect(Collectors.joining(", "));
    if (kinds.isEmpty()) {
      return "nothing: it has no gates and no affinity";
    }
    return mechanism.shown().isEmpty() ? kinds : kinds + ": " + mechanism.shown();
  }

  static String dimensions(Mechanism mechanism) {
    return mechanism.dimensions().stream().map(Object::toString).collect(Collectors.joining(", "));
  }

  /** The address of the paper. */
  static String link(Mechanism mechanism) {
    return mechanism.paper().matches("\\d{4}\\.\\d{4,5}.*")
        ? "https://arxiv.org/abs/" + mechanism.paper()
        : mechanism.paper();
  }

  /** The address of code. */
  static String address(Mechanism.Code code) {
    return code.repository().contains("/")
        ? "https://github.com/" + code.repository()
        : "https://pypi.org/project/" + code.repository() + "/" + code.version() + "/";
  }

  private static String code(String text) {
    return text.isEmpty() ? "" : "`" + text + "`";
  }

  private static String row(String... cells) {
    return "| " + String.join(" | ", cells).replace("\n", " ") + " |\n";
  }
}
