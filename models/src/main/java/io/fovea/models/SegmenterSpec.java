package io.fovea.models;

import com.fasterxml.jackson.annotation.JsonInclude;
import io.fovea.errors.SpecException;
import io.fovea.models.weights.StateDict;
import java.util.List;
import org.bytedeco.javacpp.PointerScope;

/**
 * The complete description of a segmentation network, which a run folder stores as JSON.
 *
 * <p>Immutable and thread-safe.
 *
 * @param backbone the backbone, one of {@link Segmenter#BACKBONES}
 * @param classes the number of classes
 * @param channels the number of channels of the images
 * @param head the head, as for {@link Segmenter.Builder#head}: {@code dual} for DANet
 * @param outputStride the factor by which the backbone reduces height and width: 8, 16 or 32
 * @param multiGrid whether the blocks of the last stage have different dilations
 * @param form whose code is followed where codes differ; null, as in older files, for that of the authors
 * @param alignCorners whether the corners of maps lie on each other when they are upsampled; null for the
 *     usual of the form
 */
@JsonInclude(JsonInclude.Include.ALWAYS)
public record SegmenterSpec(
    String backbone,
    int classes,
    int channels,
    String head,
    int outputStride,
    boolean multiGrid,
    SegmenterForm form,
    Boolean alignCorners)
    implements NetworkSpec<Segmenter> {
  private static final int IMAGENET_SIDE = 224;
  private static final int SMALL_SIDE = 96;

  /** Takes the usual form. */
  public SegmenterSpec {
    form = form == null ? SegmenterForm.AUTHORS : form;
  }

  /** A network as the authors of its head have it. */
  public SegmenterSpec(
      String backbone,
      int classes,
      int channels,
      String head,
      int outputStride,
      boolean multiGrid) {
    this(backbone, classes, channels, head, outputStride, multiGrid, SegmenterForm.AUTHORS, null);
  }

  /** Whether the corners of maps lie on each other when they are upsampled. */
  public boolean alignsCorners() {
    return SegmentationHeads.alignsCorners(head, form, alignCorners);
  }

  @Override
  public double width() {
    return 1;
  }

  /** The attention in the head: {@link #head}. */
  @Override
  public String attention() {
    return head;
  }

  @Override
  public SegmenterSpec withAttention(String other) {
    return new SegmenterSpec(
        backbone, classes, channels, other, outputStride, multiGrid, form, alignCorners);
  }

  @Override
  public SegmenterSpec withData(int otherClasses, int otherChannels) {
    return new SegmenterSpec(
        backbone, otherClasses, otherChannels, head, outputStride, multiGrid, form, alignCorners);
  }

  @Override
  public SegmenterSpec withWidth(double factor) {
    throw new SpecException("the backbones of segmentation networks have only one width");
  }

  @Override
  public SegmenterSpec withDilation(int otherStride, boolean otherGrid) {
    return new SegmenterSpec(
        backbone, classes, channels, head, otherStride, otherGrid, form, alignCorners);
  }

  @Override
  public SegmenterSpec withForm(String other, Boolean align) {
    return new SegmenterSpec(
        backbone,
        classes,
        channels,
        head,
        outputStride,
        multiGrid,
        other == null ? form : SegmenterForm.of(other),
        align == null ? alignCorners : align);
  }

  @Override
  public String named(String attention) {
    return SegmentationHeads.named(attention);
  }

  @Override
  public String title() {
    return backbone
        + " with the head "
        + head
        + (form == SegmenterForm.AUTHORS ? "" : " in the form of " + form);
  }

  @Override
  public boolean ofImageNet() {
    return !hasShortSteps();
  }

  @Override
  public Ends ends() {
    try (PointerScope scope = new PointerScope()) {
      List<String> names = List.copyOf(StateDict.parameters(create()).keySet());
      return new Ends(
          names.get(0),
          names.stream().filter(name -> SegmentationHeads.isClassifier(head, name)).toList());
    }
  }

  @Override
  public int imageSize() {
    return hasShortSteps() ? SMALL_SIDE : IMAGENET_SIDE;
  }

  @Override
  public boolean hasShortSteps() {
    return backbone.equals(Segmenter.SMALL);
  }

  @Override
  public Segmenter create() {
    return Segmenter.builder(backbone)
        .classes(classes)
        .channels(channels)
        .head(head)
        .outputStride(outputStride)
        .multiGrid(multiGrid)
        .form(form)
        .alignCorners(alignCorners)
        .build();
  }
}
