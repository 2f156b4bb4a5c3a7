package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.attention.Attention;
import io.fovea.attention.AttentionSpec;
import io.fovea.attention.Mechanism;
import io.fovea.errors.FoveaException;
import io.fovea.models.weights.StateDict;
import io.fovea.nn.Flow;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea mechanisms}: lists the attention mechanisms, or describes one. */
@Command(
    name = "mechanisms",
    description = {
      "List the attention mechanisms, or describe one: its equation and data flow, its paper and"
          + " code, where its paper puts it, what fovea explain shows of it, what it costs, its"
          + " options and variants, and public copies that differ."
    },
    footer = {
      "",
      "Examples:",
      "  fovea mechanisms",
      "  fovea mechanisms cbam",
      "  fovea mechanisms cbam:reduction=8 --channels 512 --size 14",
      "  fovea mechanisms --docs pages --results runs/mechanisms/results.json"
    })
public final class MechanismsCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;

  @Parameters(
      paramLabel = "SPEC",
      arity = "0..1",
      description = "A mechanism, with or without options. Default: all of them.")
  private String given;

  @Option(
      names = "--channels",
      paramLabel = "C",
      defaultValue = "256",
      description = "Channels of the feature map for the costs. Default: ${DEFAULT-VALUE}.")
  private int channels;

  @Option(
      names = "--size",
      paramLabel = "PIXELS",
      defaultValue = "28",
      description = "Height and width of that feature map. Default: ${DEFAULT-VALUE}.")
  private int side;

  @Option(
      names = "--docs",
      paramLabel = "DIR",
      description =
          "Write these descriptions as Markdown into a folder, a file for each mechanism.")
  private Path docs;

  @Option(
      names = "--results",
      paramLabel = "FILE",
      description =
          "For --docs: the results.json of fovea compare with the mechanisms, whose accuracy the"
              + " pages show.")
  private Path results;

  @Override
  public Integer call() throws IOException {
    DataOptions.atLeastOne("--channels", channels);
    DataOptions.atLeastOne("--size", side);
    PrintWriter out = spec.commandLine().getOut();
    if (results != null && docs == null) {
      throw new FoveaException("--results is for --docs");
    }
    if (docs != null) {
      MechanismPage.writeAll(docs, Optional.ofNullable(results).map(MeasuredMechanisms::read));
      out.println("written: " + docs);
    } else if (given == null) {
      list(out);
    } else {
      describe(out, AttentionSpec.parse(given));
    }
    out.flush();
    return 0;
  }

  private void list(PrintWriter out) {
    TextTable table = new TextTable("mechanism", "parameters", "MACs", "what it does");
    table.left("what it does");
    for (Mechanism mechanism : Mechanism.all()) {
      Optional<Cost> cost = cost(mechanism.spec());
      table.add(
          mechanism.name(),
          cost.map(c -> TextTable.count((double) c.parameters())).orElse("-"),
          cost.map(c -> TextTable.count((double) c.macs())).orElse("-"),
          mechanism.summary());
    }
    out.print(table);
    out.println();
    out.printf(
        Locale.ROOT,
        "Parameters and multiply-accumulates (MACs) with the default options, for a feature map of %d"
            + " channels and %d x %d positions.%nfovea mechanisms NAME describes one of them.%n",
        channels,
        side,
        side);
  }

  private void describe(PrintWriter out, AttentionSpec one) {
    Mechanism mechanism = one.mechanism();
    out.println(mechanism.title() + ": " + one);
    out.println();
    mechanism.equation().lines().forEach(line -> out.println("  " + line));
    out.println();
    line(out, "what it does", mechanism.summary());
    line(out, "paper", MechanismPage.link(mechanism));
    for (Mechanism.Code code : mechanism.code()) {
      line(out, "code", code.role() + ": " + text(code));
    }
    line(out, "its place", MechanismPage.place(mechanism));
    line(out, "dimensions", MechanismPage.dimensions(mechanism));
    line(out, "explain shows", MechanismPage.shows(mechanism));
    cost(one)
        .ifPresentOrElse(
            cost -> {
              line(out, "parameters", String.format(Locale.ROOT, "%,d", cost.parameters()));
              line(out, "MACs", String.format(Locale.ROOT, "%,d", cost.macs()));
              line(out, "", "for " + channels + " channels, " + side + " x " + side + " positions");
              if (!cost.chosen().isEmpty()) {
                line(out, "", "with " + cost.chosen() + ", as a network would choose");
              }
            },
            () -> line(out, "parameters", "it cannot take " + channels + " channels"));
    mechanism
        .cost()
        .ifPresent(
            formula -> {
              line(out, "formulas", "parameters: " + formula.parameters());
              line(out, "", "MACs: " + formula.macs());
              line(out, "", "with the default form; N = H·W, and divisions round down");
            });
    if (!mechanism.options().isEmpty()) {
      out.println();
      boolean changed = !one.equals(mechanism.spec());
      TextTable table =
          changed
              ? new TextTable("option", "default", "here", "meaning")
              : new TextTable("option", "default", "meaning");
      table.left(
          changed
              ? new String[] {"default", "here", "meaning"}
              : new String[] {"default", "meaning"});
      for (var option : mechanism.options()) {
        String usual = mechanism.spec().options().get(option.name());
        String here = one.options().get(option.name());
        if (changed) {
          table.add(option.name(), usual, here, option.description());
        } else {
          table.add(option.name(), usual, option.description());
        }
      }
      out.print(table);
      rules(out, mechanism);
    }
    if (!mechanism.variants().isEmpty()) {
      out.println();
      out.println("Variants:");
      mechanism.variants().forEach((spec, whose) -> out.println("  " + spec + ": " + whose));
    }
    if (!mechanism.copies().isEmpty()) {
      out.println();
      out.println("Public copies that differ, seen by running them:");
      mechanism
          .copies()
          .forEach(copy -> out.println("  " + copy.getKey() + ": " + copy.getValue()));
    }
    flow(out, one);
  }

  private static void flow(PrintWriter out, AttentionSpec one) {
    TextTable table = new TextTable("step", "of", "computes", "layer", "result");
    table.left("of", "computes", "layer", "result");
    List<Flow.Step> steps;
    try {
      steps = MechanismPage.flow(one);
    } catch (IllegalArgumentException e) { // it is not for images, or not for so many channels
      return;
    }
    for (int i = 0; i < steps.size(); i++) {
      Flow.Step step = steps.get(i);
      table.add(
          Integer.toString(i),
          step.from().stream().map(Object::toString).collect(Collectors.joining(", ")),
          step.operation(),
          step.layer(),
          step.shape());
    }
    out.println();
    out.println("Data flow, without steps that only reshape:");
    out.print(table);
  }

  private static String text(Mechanism.Code code) {
    return Stream.of(code.repository() + " " + code.version(), code.file())
        .map(String::strip)
        .filter(part -> !part.isEmpty())
        .collect(Collectors.joining(", "));
  }

  /** What networks choose for options that are not given. */
  private static void rules(PrintWriter out, Mechanism mechanism) {
    List<String> rules =
        mechanism.options().stream()
            .filter(option -> option.rule().isPresent())
            .map(option -> option.name() + ": " + option.rule().orElseThrow())
            .toList();
    if (!rules.isEmpty()) {
      out.println();
      out.println("Networks choose these where they are not given:");
      rules.forEach(rule -> out.println("  " + rule));
    }
  }

  private static void line(PrintWriter out, String name, String text) {
    out.printf("%-15s %s%n", name, text);
  }

  private record Cost(long parameters, long macs, String chosen) {}

  /** The cost, unless the mechanism cannot take so many channels. */
  private Optional<Cost> cost(AttentionSpec one) {
    try (PointerScope scope = new PointerScope()) {
      Attention module = one.fitting(channels, 2, side).create(channels, 2);
      long parameters =
          StateDict.parameters(module).values().stream().mapToLong(Tensor::numel).sum();
      String chosen =
          module.spec().chosen().entrySet().stream()
              .map(option -> option.getKey() + "=" + option.getValue())
              .collect(Collectors.joining(", "));
      return Optional.of(new Cost(parameters, module.macs(1, channels, side, side), chosen));
    } catch (IllegalArgumentException e) { // its groups do not divide them
      return Optional.empty();
    }
  }
}
