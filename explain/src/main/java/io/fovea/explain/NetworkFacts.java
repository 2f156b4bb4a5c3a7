package io.fovea.explain;

import io.fovea.data.Image;
import io.fovea.data.SquareCrop;
import io.fovea.training.run.Run;
import java.util.List;

/**
 * The description of an explained network for pages.
 *
 * @param name the name of the network
 * @param backbone the backbone
 * @param attention the attention, {@code none} if it has none
 * @param channels the number of channels of its images, 1 or 3
 * @param imageSize the side of its images; 0 if it sees whole images of any size
 * @param resize the length to which the shorter side is scaled before the centred square of {@code
 *     imageSize} is cut out; equal to it for the largest square
 * @param classes the names of its classes in the order of their numbers
 * @param unfinished how far its training came if it did not end, such as {@code 3 of 20 epochs};
 *     empty otherwise
 */
public record NetworkFacts(
    String name,
    String backbone,
    String attention,
    int channels,
    int imageSize,
    int resize,
    List<String> classes,
    String unfinished) {
  /** Copies the list. */
  public NetworkFacts {
    classes = List.copyOf(classes);
  }

  /** Whether the network sees whole images of any size, and not a centred square. */
  public boolean seesWholeImages() {
    return imageSize == 0;
  }

  /** The part of an image that the network sees. */
  public Region seen(Image image) {
    if (seesWholeImages()) {
      return new Region(0, 0, image.width(), image.height());
    }
    SquareCrop.Square square = new SquareCrop(imageSize, resize).in(image.width(), image.height());
    return new Region(square.left(), square.top(), square.side(), square.side());
  }

  /** Returns the description of a run, with the name of its folder. */
  public static NetworkFacts of(Run<?, ?> run) {
    return new NetworkFacts(
        run.name(),
        run.config().model().backbone(),
        run.config().model().attention(),
        run.config().model().channels(),
        run.preprocessing().size(),
        run.preprocessing().resize() == 0
            ? run.preprocessing().size()
            : run.preprocessing().resize(),
        run.preprocessing().classes(),
        run.unfinished().orElse(""));
  }
}
