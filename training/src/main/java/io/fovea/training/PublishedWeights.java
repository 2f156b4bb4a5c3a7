package io.fovea.training;

import io.fovea.data.Normalization;
import io.fovea.data.Progress;
import io.fovea.data.bundled.Downloader;
import io.fovea.errors.FoveaException;
import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * The published weights of a backbone: those of torchvision for ImageNet, and those of <a
 * href="https://github.com/akamaster/pytorch_resnet_cifar10">akamaster</a> for CIFAR-10. They are
 * downloaded once into the user's cache.
 *
 * @param backbone the backbone, such as {@code resnet50}
 * @param version {@code v1} or {@code v2}, as torchvision numbers its sets
 * @param origin the publisher, for messages
 * @param url the address of the file, whose name ends with the beginning of its SHA-256
 * @param normalization the normalisation of the images on which they were trained
 * @param crop the side of the images with which their publisher evaluates them
 * @param resize the length to which the publisher scales the shorter side before that crop; 0 for
 *     images that are not cropped
 */
public record PublishedWeights(
    String backbone,
    String version,
    String origin,
    URI url,
    Normalization normalization,
    int crop,
    int resize) {
  private static final String TORCHVISION = "https://download.pytorch.org/models/";
  private static final String AKAMASTER =
      "https://github.com/akamaster/pytorch_resnet_cifar10/raw/master/pretrained_models/";
  private static final Normalization HALF =
      new Normalization(List.of(0.5, 0.5, 0.5), List.of(0.5, 0.5, 0.5));

  private static final List<PublishedWeights> ALL =
      List.of(
          torchvision("resnet18", "v1", "resnet18-f37072fd"),
          torchvision("resnet34", "v1", "resnet34-b627a593"),
          torchvision("resnet50", "v1", "resnet50-0676ba61"),
          torchvision("resnet50", "v2", "resnet50-11ad3fa6"),
          torchvision("resnet101", "v1", "resnet101-63fe2227"),
          torchvision("resnet101", "v2", "resnet101-cd907fc2"),
          torchvision("resnet152", "v1", "resnet152-394f9c45"),
          torchvision("resnet152", "v2", "resnet152-f82ba261"),
          torchvision("resnext50", "v1", "resnext50_32x4d-7cdf4587"),
          torchvision("resnext50", "v2", "resnext50_32x4d-1a0047aa"),
          torchvision("resnext101_32x8d", "v1", "resnext101_32x8d-8ba56ff5"),
          torchvision("resnext101_32x8d", "v2", "resnext101_32x8d-110c445d"),
          torchvision("resnext101_64x4d", "v1", "resnext101_64x4d-173b62eb", 224, 232),
          torchvision("wide_resnet50_2", "v1", "wide_resnet50_2-95faca4d"),
          torchvision("wide_resnet50_2", "v2", "wide_resnet50_2-9ba9bcbe"),
          torchvision("wide_resnet101_2", "v1", "wide_resnet101_2-32ee1156"),
          torchvision("wide_resnet101_2", "v2", "wide_resnet101_2-d733dc28"),
          // torchvision's network converts its images to this normalisation (transform_input)
          new PublishedWeights(
              "googlenet",
              "v1",
              "torchvision",
              URI.create(TORCHVISION + "googlenet-1378be20.pth"),
              HALF,
              224,
              256),
          torchvision("mobilenetv3-large", "v1", "mobilenet_v3_large-8738ca79"),
          torchvision("mobilenetv3-large", "v2", "mobilenet_v3_large-5c1a4163"),
          torchvision("mobilenetv3-small", "v1", "mobilenet_v3_small-047dcff4"),
          // the publisher of EfficientNet's v1 scales images bicubically, Fovea bilinearly
          torchvision("efficientnet_b0", "v1", "efficientnet_b0_rwightman-7f5810bc"),
          torchvision("efficientnet_b1", "v1", "efficientnet_b1_rwightman-bac287d4", 240, 256),
          torchvision("efficientnet_b1", "v2", "efficientnet_b1-c27df63c", 240, 255),
          torchvision("efficientnet_b2", "v1", "efficientnet_b2_rwightman-c35c1473", 288, 288),
          torchvision("regnet_y_400mf", "v1", "regnet_y_400mf-c65dace8"),
          torchvision("regnet_y_400mf", "v2", "regnet_y_400mf-e6988f5f"),
          torchvision("regnet_y_800mf", "v1", "regnet_y_800mf-1b27b58c"),
          torchvision("regnet_y_800mf", "v2", "regnet_y_800mf-58fc7688"),
          torchvision("regnet_y_1_6gf", "v1", "regnet_y_1_6gf-b11a554e"),
          torchvision("regnet_y_1_6gf", "v2", "regnet_y_1_6gf-0d7bc02a"),
          torchvision("densenet121", "v1", "densenet121-a639ec97"),
          torchvision("convnext_tiny", "v1", "convnext_tiny-983f1562", 224, 236),
          akamaster("resnet20", "12fca82f"),
          akamaster("resnet32", "d509ac18"),
          akamaster("resnet44", "014dd654"),
          akamaster("resnet56", "4bfd9763"),
          akamaster("resnet110", "1d1ed7c2"));

  private static PublishedWeights torchvision(String backbone, String version, String file) {
    return torchvision(backbone, version, file, 224, version.equals("v1") ? 256 : 232);
  }

  private static PublishedWeights torchvision(
      String backbone, String version, String file, int crop, int resize) {
    return new PublishedWeights(
        backbone,
        version,
        "torchvision",
        URI.create(TORCHVISION + file + ".pth"),
        Normalization.IMAGENET,
        crop,
        resize);
  }

  private static PublishedWeights akamaster(String backbone, String hash) {
    return new PublishedWeights(
        backbone,
        "v1",
        "akamaster, CIFAR-10",
        URI.create(AKAMASTER + backbone + "-" + hash + ".th"),
        Normalization.IMAGENET,
        32,
        0);
  }

  /** All published weights that Fovea knows. */
  public static List<PublishedWeights> all() {
    return ALL;
  }

  /**
   * The published weights for a backbone. For a video network ({@code i3d-resnet50}) these are the
   * weights of the image network.
   *
   * @param version {@code v1} or {@code v2}; null for the newest
   * @throws FoveaException if there are none; the message names those that exist
   */
  public static PublishedWeights of(String backbone, String version) {
    String images = backbone.replaceFirst("^(c2d|i3d|i3d-3x3x3)-", "");
    List<PublishedWeights> there =
        ALL.stream().filter(weights -> weights.backbone.equals(images)).toList();
    if (there.isEmpty()) {
      throw new FoveaException(
          "there are no published weights of "
              + backbone
              + "; there are some of "
              + ALL.stream()
                  .map(PublishedWeights::backbone)
                  .distinct()
                  .collect(Collectors.joining(", ")));
    }
    Stream<PublishedWeights> wanted =
        there.stream().filter(weights -> version == null || weights.version.equals(version));
    return wanted
        .reduce((first, second) -> second)
        .orElseThrow(
            () ->
                new FoveaException(
                    "of " + images + " only the weights v1 are published, not " + version));
  }

  /**
   * The length to which the shorter side of images is scaled, in the publisher's proportion to their
   * size.
   *
   * @param size the side of the images after the crop
   * @return 0 for images that are not cropped
   */
  public int resize(int size) {
    return (int) Math.rint((double) size * resize / crop);
  }

  /** Whether a folder of downloaded weights, such as {@link #cache}, has the file. */
  public boolean isIn(Path folder) {
    return Files.exists(folder.resolve(fileName()));
  }

  /** Whether there are published weights for a backbone. */
  public static boolean exist(String backbone) {
    return ALL.stream().anyMatch(weights -> weights.backbone.equals(backbone));
  }

  /**
   * The folder into which weights are downloaded: {@code weights} in the folder of the system
   * property {@code fovea.cache}, or else of {@code $FOVEA_CACHE}, or else of {@code
   * ~/.cache/fovea}.
   */
  public static Path cache() {
    String given = System.getProperty("fovea.cache", System.getenv("FOVEA_CACHE"));
    Path root =
        given == null || given.isBlank()
            ? Path.of(System.getProperty("user.home"), ".cache", "fovea")
            : Path.of(given);
    return root.resolve("weights");
  }

  /** The name of the weights for the user: {@code torchvision's resnet50-11ad3fa6.pth}. */
  public String title() {
    return fileName() + " (" + origin + ", " + version + ")";
  }

  private String fileName() {
    String path = url.getPath();
    return path.substring(path.lastIndexOf('/') + 1);
  }

  /** The beginning of the file's SHA-256, which its name ends with. */
  private String sha256() {
    String name = fileName();
    return name.substring(name.lastIndexOf('-') + 1, name.lastIndexOf('.'));
  }

  /**
   * Returns the file, which is downloaded if it is not in the folder yet. An interrupted download
   * is resumed, and a file with another checksum is refused.
   *
   * @param folder the folder of downloaded weights, as {@link #cache}; created if necessary
   * @param progress receives the progress in bytes
   * @throws FoveaException if the file cannot be downloaded; the message says how to get it by hand
   */
  public Path file(Path folder, Progress progress) {
    Path file = folder.resolve(fileName());
    if (Files.exists(file)) {
      return file;
    }
    try {
      Files.createDirectories(folder);
      new Downloader().download(url, file, sha256(), progress);
      return file;
    } catch (IOException e) {
      throw new FoveaException(
          e.getMessage()
              + "; without a network, download "
              + url
              + " elsewhere, and put it into "
              + folder
              + ", or name the file with --init",
          e);
    }
  }
}
