package io.fovea.app.study;

import io.fovea.models.placement.PlacedAttention;
import io.fovea.tensor.internal.DidYouMean;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** The ablation tables of the mechanisms' papers, with the papers' results. */
public final class Ablations {
  private static final String SE = "Hu et al., arXiv 1709.01507v4, table ";
  private static final String CBAM = "Woo et al., arXiv 1807.06521v2, table ";
  private static final String BAM = "Park et al., arXiv 1807.06514, table ";
  private static final String NONLOCAL = "Wang et al., arXiv 1711.07971v3, table ";
  private static final String IMAGENET = "ImageNet, ResNet-50, top-1 error";
  private static final String CIFAR = "CIFAR-100, ResNet-50, error";
  private static final String KINETICS = "Kinetics, C2D ResNet-50, top-1 accuracy";

  private static final List<Ablation> ALL =
      List.of(
          new Ablation("se", Ablations::se),
          new Ablation("cbam", stages -> cbam()),
          new Ablation("bam", stages -> bam()),
          // its rows with a block after every other block need two blocks in a stage
          new Ablation("nonlocal", "resnet14", Ablations::nonLocal));

  private Ablations() {}

  /** The names of the mechanisms whose papers have tables. */
  public static List<String> mechanisms() {
    return ALL.stream().map(Ablation::mechanism).toList();
  }

  /**
   * The ablations of a mechanism's paper.
   *
   * @throws io.fovea.errors.SpecException if the mechanism has none
   */
  public static Ablation of(String mechanism) {
    return ALL.stream()
        .filter(ablation -> ablation.mechanism().equals(mechanism))
        .findFirst()
        .orElseThrow(() -> DidYouMean.unknown("ablation", mechanism, mechanisms()));
  }

  /** The ablation tables of one paper. */
  public static final class Ablation {
    private final String mechanism;
    private final String backbone;
    private final IntFunction<List<PaperTable>> tables;

    Ablation(String mechanism, IntFunction<List<PaperTable>> tables) {
      this(mechanism, "resnet8", tables);
    }

    Ablation(String mechanism, String backbone, IntFunction<List<PaperTable>> tables) {
      this.mechanism = mechanism;
      this.backbone = backbone;
      this.tables = tables;
    }

    /** The name of the mechanism. */
    public String mechanism() {
      return mechanism;
    }

    /** The smallest backbone on which all rows can be trained. */
    public String backbone() {
      return backbone;
    }

    /**
     * The tables.
     *
     * @param stages the number of stages of the network
     */
    public List<PaperTable> tables(int stages) {
      return tables.apply(stages);
    }
  }

  private static List<PaperTable> se(int stages) {
    Rows stage = new Rows().add("none", PlacedAttention.NONE, 23.30, "25.6M");
    // the paper's figures for conv2 to conv4; it leaves out the last stage
    double[] published = {23.03, 23.04, 22.68};
    String[] parameters = {"25.6M", "25.7M", "26.4M"};
    for (int i = 1; i <= stages; i++) {
      boolean known = i <= published.length;
      stage.add(
          "stage " + i + (known ? " (SE_Stage_" + (i + 1) + ")" : ""),
          "se@standard:" + i,
          known ? published[i - 1] : null,
          known ? parameters[i - 1] : null);
    }
    return List.of(
        table("reduction", "Reduction ratio", SE + "10", IMAGENET, false, "ratio r")
            .add("2", "se:reduction=2", 22.29, "45.7M")
            .add("4", "se:reduction=4", 22.25, "35.7M")
            .add("8", "se:reduction=8", 22.26, "30.7M")
            .add("16", "se", 22.28, "28.1M")
            .add("32", "se:reduction=32", 22.72, "26.9M")
            .add("original", PlacedAttention.NONE, 23.30, "25.6M")
            .done(),
        table("squeeze", "Squeeze operator", SE + "11", IMAGENET, false, "squeeze")
            .add("max", "se:squeeze=max", 22.57, null)
            .add("avg", "se", 22.28, null)
            .done(),
        table("excitation", "Excitation operator", SE + "12", IMAGENET, false, "excitation")
            .add("ReLU", "se:excitation=relu", 23.47, null)
            .add("tanh", "se:excitation=tanh", 23.00, null)
            .add("sigmoid", "se", 22.28, null)
            .done(),
        table("stage", "Stages", SE + "13", IMAGENET, false, "SE in")
            .addAll(stage)
            .add("all", "se", 22.28, "28.1M")
            .done(),
        table("placement", "Integration strategy", SE + "14", IMAGENET, false, "design")
            .add("SE", "se", 22.28, null)
            .add("SE-PRE", "se@pre", 22.23, null)
            .add("SE-POST", "se@post", 22.78, null)
            .add("SE-Identity", "se@identity", 22.20, null)
            .done());
  }

  private static List<PaperTable> cbam() {
    return List.of(
        table(
                "pool",
                "Pooling of the channel branch",
                CBAM + "1",
                IMAGENET,
                false,
                "channel gates of")
            .add("none", PlacedAttention.NONE, 24.56, "25.56M")
            .add("avg (SE)", "cbam:pool=avg,branches=channel", 23.14, "25.92M")
            .add("max", "cbam:pool=max,branches=channel", 23.20, "25.92M")
            .add("avg & max", "cbam:branches=channel", 22.80, "25.92M")
            .done(),
        table(
                "spatial",
                "Spatial branch: its pooling and its kernel",
                CBAM + "2",
                IMAGENET,
                false,
                "channel gates and")
            .add("none", "cbam:branches=channel", 22.80, "28.09M")
            .add("1x1 conv, k = 3", "cbam:kernel=3,spatial_pool=conv", 22.96, "28.10M")
            .add("1x1 conv, k = 7", "cbam:spatial_pool=conv", 22.90, "28.10M")
            .add("avg & max, k = 3", "cbam:kernel=3", 22.68, "28.09M")
            .add("avg & max, k = 7", "cbam", 22.66, "28.09M")
            .add("avg, k = 7", "cbam:spatial_pool=avg", null, null)
            .add("max, k = 7", "cbam:spatial_pool=max", null, null)
            .done(),
        table("order", "Order of the branches", CBAM + "3", IMAGENET, false, "order")
            .add("channel alone (SE)", "cbam:pool=avg,branches=channel", 23.14, null)
            .add("channel, then spatial", "cbam", 22.66, null)
            .add("spatial, then channel", "cbam:order=spatial_first", 22.78, null)
            .add("in parallel", "cbam:order=parallel", 22.95, null)
            .done());
  }

  private static List<PaperTable> bam() {
    return List.of(
        table("dilation", "Dilation", BAM + "1(a)", CIFAR, false, "dilation d")
            .add("1", "bam:dilation=1,combine=add", 20.47, "24.07M")
            .add("2", "bam:dilation=2,combine=add", 20.28, "24.07M")
            .add("4", "bam:combine=add", 20.00, "24.07M")
            .add("6", "bam:dilation=6,combine=add", 20.08, "24.07M")
            .done(),
        table("reduction", "Reduction ratio", BAM + "1(a)", CIFAR, false, "ratio r")
            .add("4", "bam:reduction=4,combine=add", 20.46, "26.30M")
            .add("8", "bam:reduction=8,combine=add", 20.56, "24.62M")
            .add("16", "bam:combine=add", 20.00, "24.07M")
            .add("32", "bam:reduction=32,combine=add", 21.24, "23.87M")
            .add("base", PlacedAttention.NONE, 21.49, "23.68M")
            .done(),
        table("branches", "Branches and their combination", BAM + "1(b)", CIFAR, false, "branches")
            .add("base", PlacedAttention.NONE, 21.49, null)
            .add("channel", "bam:branches=channel", 21.29, null)
            .add("spatial", "bam:branches=spatial", 21.24, null)
            .add("both, max", "bam:combine=max", 20.28, null)
            .add("both, product", "bam", 20.21, null)
            .add("both, sum", "bam:combine=add", 20.00, null)
            .done());
  }

  private static List<PaperTable> nonLocal(int stages) {
    Rows where = new Rows().add("baseline", PlacedAttention.NONE, 71.8, null);
    double[] published = {72.7, 72.9, 72.7, 72.3};
    for (int i = 1; i <= stages; i++) {
      boolean known = i <= published.length;
      where.add(
          "stage " + i + (known ? " (res" + (i + 1) + ")" : ""),
          // its default place is the end of that stage
          i == stages - 1 ? "nonlocal" : "nonlocal@stage:" + i,
          known ? published[i - 1] : null,
          null);
    }
    // like res3 and res4 of the four stages in the paper
    String middle = (stages - 2) + "," + (stages - 1);
    return List.of(
        table("mode", "Instantiations", NONLOCAL + "2(a)", KINETICS, true, "f")
            .add("baseline", PlacedAttention.NONE, 71.8, null)
            .add("Gaussian", "nonlocal:mode=gaussian", 72.5, null)
            .add("Gaussian, embedded", "nonlocal", 72.7, null)
            .add("dot product", "nonlocal:mode=dot_product", 72.9, null)
            .add("concatenation", "nonlocal:mode=concatenation", 72.8, null)
            .done(),
        table("stage", "Position of one block", NONLOCAL + "2(b)", KINETICS, true, "one block in")
            .addAll(where)
            .done(),
        table("count", "Number of blocks", NONLOCAL + "2(c)", KINETICS, true, "blocks")
            .add("baseline", PlacedAttention.NONE, 71.8, null)
            .add("1 (paper: 1)", "nonlocal", 72.7, null)
            .add(
                "after every other, stages " + middle + " (paper: 5)",
                "nonlocal@after:every-other:" + middle,
                73.8,
                null)
            .add(
                "after each, stages " + middle + " (paper: 10)",
                "nonlocal@post:" + middle,
                74.3,
                null)
            .done());
  }

  private static Rows table(
      String name, String title, String source, String setting, boolean accuracy, String head) {
    return new Rows(name, title, source, setting, accuracy, head);
  }

  /** Builds a table. */
  private static final class Rows {
    private final String name;
    private final String title;
    private final String source;
    private final String setting;
    private final boolean accuracy;
    private final String head;
    private final List<PaperTable.Row> rows = new ArrayList<>();

    Rows() {
      this("", "", "", "", false, "");
    }

    Rows(String name, String title, String source, String setting, boolean accuracy, String head) {
      this.name = name;
      this.title = title;
      this.source = source;
      this.setting = setting;
      this.accuracy = accuracy;
      this.head = head;
    }

    Rows add(String label, String module, Double published, String parameters) {
      String canonical = PlacedAttention.text(PlacedAttention.parseAll(module));
      rows.add(new PaperTable.Row(label, canonical, published, parameters));
      return this;
    }

    Rows addAll(Rows others) {
      rows.addAll(others.rows);
      return this;
    }

    PaperTable done() {
      return new PaperTable(name, title, source, setting, accuracy, head, List.copyOf(rows));
    }
  }
}
