package io.fovea.app.cli;

import io.fovea.app.console.TextTable;
import io.fovea.errors.FoveaException;
import io.fovea.models.Classifier;
import io.fovea.models.ModelSpec;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.internal.InitialValues;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.PointerScope;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea models}: lists the backbones and the places for attention in them. */
@Command(
    name = "models",
    description = {
      "List the backbones with their size and the places for attention in them.",
      "",
      "Parameters are counted with 10 classes for backbones of 32 x 32 pixels and with"
          + " 1,000 classes for larger ones. Multiply-accumulates (MACs) are those of one image;"
          + " for c2d and i3d (video networks), of a clip of 8 frames."
    },
    footer = {
      "",
      "Examples:",
      "  fovea models",
      "  fovea models resnet50d regnet_y_400mf",
      "  fovea models --attention se",
      "  fovea models --attention nonlocal --placement after:every-other --stages 2,3"
    })
public final class ModelsCommand implements Callable<Integer> {
  private static final int SMALL_CLASSES = 10;
  private static final int IMAGENET_CLASSES = 1000;
  private static final int SMALL_SIDE = 32;

  @Spec private CommandSpec spec;
  @Mixin private PlacementOptions placementOptions;
  @Mixin private ThreadOptions threadOptions;

  @Option(
      names = "--attention",
      paramLabel = "SPEC",
      description = "Include this attention. Default: the attention that a backbone has by itself.")
  private String given;

  @Parameters(
      paramLabel = "BACKBONE",
      arity = "0..*",
      description = "List these backbones only. Default: all.")
  private List<String> wanted = List.of();

  @Override
  public Integer call() {
    threadOptions.apply();
    if (given == null) {
      placementOptions.requireNothing();
    }
    String attention = given == null ? null : placementOptions.apply(given);
    TextTable table =
        new TextTable(
            "backbone", "parameters", "MACs", "pixels", "blocks", "placements", "attention");
    table.left("placements", "attention");
    List<String> names = new ArrayList<>(wanted);
    if (wanted.isEmpty()) {
      names.addAll(Classifier.backbones());
      names.addAll(Classifier.videoBackbones());
    }
    for (String name : names) {
      Classifier.Builder<?> backbone = Classifier.builder(name);
      String own = backbone.ownAttention().map(Object::toString).orElse(PlacedAttention.NONE);
      String blocks =
          backbone.blocks().stream().map(Object::toString).collect(Collectors.joining("-"));
      String places = String.join(", ", backbone.placements());
      String pixels = backbone.imageSize() + " x " + backbone.imageSize();
      try (PointerScope scope = new PointerScope()) {
        int side = backbone.imageSize();
        int classes = side > SMALL_SIDE ? IMAGENET_CLASSES : SMALL_CLASSES;
        Classifier network =
            InitialValues.skipped(
                () ->
                    new ModelSpec(name, classes, 3, 1, attention == null ? own : attention)
                        .create());
        table.add(
            name,
            TextTable.count((double) network.parameterCount()),
            TextTable.count(
                (double)
                    (network.frames() > 0
                        ? network.macs(network.frames(), side, side)
                        : network.macs(side, side))),
            pixels,
            blocks,
            places,
            attention == null ? own : attention + " (" + count(network) + ")");
      } catch (FoveaException e) {
        table.add(name, "-", "-", pixels, blocks, places, "not possible: " + e.getMessage());
      }
    }
    var out = spec.commandLine().getOut();
    out.print(table);
    out.println();
    out.println(
        "Stages and blocks are counted from 1: after:3.2 is after the second block of stage 3. Small"
            + " residual");
    out.println(
        "networks exist for all depths in steps of 6 (resnet62, ...). All backbones have the"
            + " default placement, paper.");
    out.flush();
    return 0;
  }

  private static String count(Classifier network) {
    int modules = network.attentions().size();
    String chosen = network.chosenText();
    return (modules == 1 ? "1 module" : modules + " modules")
        + (chosen.isEmpty() ? "" : "; " + chosen);
  }
}
