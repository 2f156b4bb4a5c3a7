package io.fovea.data.mask;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.data.DataException;
import io.fovea.data.Progress;
import io.fovea.data.SegmentationDataset;
import io.fovea.data.TrainingData;
import io.fovea.data.UnreadableImageException;
import io.fovea.data.image.SampleFiles;
import java.awt.image.BufferedImage;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MaskConversionTest {
  private static final int WIDTH = 23;
  private static final int HEIGHT = 37;
  private static final ObjectMapper MAPPER = new ObjectMapper();

  @TempDir Path folder;

  /** The cases that have run lengths ({@code counts}) or {@code polygons}. */
  private static List<JsonNode> golden(String kind) throws IOException {
    try (InputStream in = MaskConversionTest.class.getResourceAsStream("/golden/coco.json")) {
      List<JsonNode> cases = new ArrayList<>();
      MAPPER.readTree(in).forEach(cases::add);
      return cases.stream().filter(one -> one.has(kind)).toList();
    }
  }

  private Path write(String file, byte[] content) throws IOException {
    Path path = folder.resolve(file);
    Files.createDirectories(path.getParent());
    return Files.write(path, content);
  }

  private static ObjectNode coco(int images) {
    ObjectNode root = MAPPER.createObjectNode();
    root.putObject("info").putArray("annotations").add("not these");
    ArrayNode all = root.putArray("images");
    for (int i = 0; i < images; i++) {
      ObjectNode image = all.addObject();
      image.put("id", 7 + i).put("file_name", i + ".jpg").put("height", HEIGHT).put("width", WIDTH);
    }
    root.putArray("annotations");
    ArrayNode categories = root.putArray("categories");
    categories.addObject().put("id", 92).put("name", "wall");
    categories.addObject().put("id", 1).put("name", "person");
    return root;
  }

  private void images(String in, int count) throws IOException {
    for (int i = 0; i < count; i++) {
      write(in + "/" + i + ".jpg", SampleFiles.rgb("jpg", WIDTH, HEIGHT));
    }
  }

  private MaskConversion.Result converted() {
    return MaskConversion.of(folder.resolve("coco"))
        .orElseThrow()
        .convert(folder.resolve("out"), Progress.NONE);
  }

  private static Masks.Mask mask(Path file) {
    try {
      return Masks.read(file);
    } catch (UnreadableImageException e) {
      throw new AssertionError(e);
    }
  }

  /** Run lengths that COCO's own code wrote (scripts/golden/coco.py). */
  @Test
  void runLengthsOfStuffBecomeMasks() throws IOException {
    List<JsonNode> golden = golden("counts");
    ObjectNode json = coco(golden.size());
    for (int i = 0; i < golden.size(); i++) {
      ObjectNode annotation = json.withArray("annotations").addObject();
      annotation.put("image_id", 7 + i).put("category_id", 92);
      ObjectNode segmentation = annotation.putObject("segmentation");
      segmentation.set("size", golden.get(i).path("size"));
      segmentation.set("counts", golden.get(i).path("counts"));
    }
    write("coco/annotations/stuff_val2017.json", MAPPER.writeValueAsBytes(json));
    images("coco/val2017", golden.size());

    MaskConversion.Result result = converted();

    assertThat(result.classes()).containsExactly("person", "wall"); // in the order of their ids
    assertThat(result.images()).isEqualTo(golden.size());
    for (int i = 0; i < golden.size(); i++) {
      assertMask(i, golden.get(i).path("rows"), 1, 255);
    }
    assertThat(folder.resolve("out/classes.txt")).hasContent("person\nwall\n");
  }

  private void assertMask(int image, JsonNode rows, int inside, int outside) {
    Masks.Mask mask = mask(folder.resolve("out/masks/" + image + ".png")); // no parts: one only
    for (int row = 0; row < HEIGHT; row++) {
      String expected = rows.path(row).asText();
      for (int column = 0; column < WIDTH; column++) {
        assertThat(mask.values()[row * WIDTH + column])
            .as("image %d, row %d, column %d", image, row, column)
            .isEqualTo(expected.charAt(column) == '1' ? inside : outside);
      }
    }
  }

  /** Polygons that COCO's own code filled (scripts/golden/coco.py). */
  @Test
  void polygonsOfObjectsBecomeMasks() throws IOException {
    List<JsonNode> golden = golden("polygons");
    ObjectNode json = coco(golden.size());
    for (int i = 0; i < golden.size(); i++) {
      ObjectNode annotation = json.withArray("annotations").addObject();
      annotation.put("image_id", 7 + i).put("category_id", 92).put("iscrowd", 0);
      annotation.set("segmentation", golden.get(i).path("polygons"));
    }
    write("coco/annotations/instances_val2017.json", MAPPER.writeValueAsBytes(json));
    images("coco/val2017", golden.size());

    MaskConversion.Result result = converted();

    assertThat(result.classes()).containsExactly("background", "person", "wall");
    assertThat(result.images()).isEqualTo(golden.size());
    for (int i = 0; i < golden.size(); i++) {
      assertMask(i, golden.get(i).path("rows"), 2, 0);
    }
  }

  /** Roboflow has a file in the folder of each part; crowds have run lengths. */
  @Test
  void objectsOfSeveralClassesAreIgnoredWhereTheyOverlap() throws IOException {
    for (String part : List.of("train", "valid")) {
      ObjectNode json = coco(1);
      ArrayNode annotations = json.withArray("annotations");
      ObjectNode person = annotations.addObject().put("image_id", 7).put("category_id", 1);
      ArrayNode polygon = person.putArray("segmentation").addArray();
      List.of(0, 0, 6, 0, 6, HEIGHT, 0, HEIGHT).forEach(polygon::add);
      ObjectNode crowd = annotations.addObject().put("image_id", 7).put("category_id", 92);
      ObjectNode runs = crowd.put("iscrowd", 1).putObject("segmentation");
      runs.putArray("size").add(HEIGHT).add(WIDTH);
      runs.putArray("counts").add(4 * HEIGHT).add(5 * HEIGHT).add(14 * HEIGHT);
      write("coco/" + part + "/_annotations.coco.json", MAPPER.writeValueAsBytes(json));
      images("coco/" + part, 1);
    }

    assertThat(converted().images()).isEqualTo(2);

    for (String part : List.of("train", "val")) {
      int[] values = mask(folder.resolve("out/masks/" + part + "/0.png")).values();
      for (int i = 0; i < values.length; i++) {
        int column = i % WIDTH;
        int expected = column < 4 ? 1 : column < 6 ? 255 : column < 9 ? 2 : 0;
        assertThat(values[i]).as("column %d", column).isEqualTo(expected);
      }
    }
  }

  @Test
  void damagedPolygonsAreNamed() throws IOException {
    ObjectNode json = coco(1);
    ObjectNode annotation = json.withArray("annotations").addObject();
    annotation.put("image_id", 7).put("category_id", 92);
    annotation.putArray("segmentation").addArray().add(1).add(2).add(3);
    write("coco/annotations/instances_val2017.json", MAPPER.writeValueAsBytes(json));
    images("coco/val2017", 1);
    assertThatThrownBy(this::converted)
        .hasMessageEndingWith("0.jpg: a polygon has a number without a partner");
    for (double far : new double[] {1e9, -1e5, 1075}) { // each pixel of an edge is visited
      annotation.putArray("segmentation").addArray().add(far).add(2).add(3).add(4);
      write("coco/annotations/instances_val2017.json", MAPPER.writeValueAsBytes(json));
      assertThatThrownBy(this::converted)
          .hasMessageEndingWith("0.jpg: a polygon leads too far out of the image");
    }
  }

  /** The product of two negative sides is a number of pixels. */
  @Test
  void sidesThatNoImageHasAreNamed() throws IOException {
    images("coco/val2017", 1);
    for (int[] size : new int[][] {{-5, -5}, {-HEIGHT, -WIDTH}, {0, WIDTH}, {30_000, 30_000}}) {
      ObjectNode json = coco(1);
      ((ObjectNode) json.path("images").path(0)).put("height", size[0]).put("width", size[1]);
      ObjectNode annotation = json.withArray("annotations").addObject();
      annotation.put("image_id", 7).put("category_id", 92);
      ObjectNode runs = annotation.putObject("segmentation");
      runs.putArray("size").add(size[0]).add(size[1]);
      runs.putArray("counts").add(5).add(20);
      write("coco/annotations/stuff_val2017.json", MAPPER.writeValueAsBytes(json));
      assertThatThrownBy(this::converted)
          .isInstanceOf(DataException.class)
          .hasMessageEndingWith(
              "0.jpg: its size is " + size[1] + " x " + size[0] + " in the annotations");
    }
  }

  @Test
  void panopticSegmentsBecomeMasksOfBothParts() throws IOException {
    int person = 3 + 256 * 5 + 65536 * 200; // the colour #0305c8
    for (String part : List.of("train2017", "val2017")) {
      ObjectNode json = coco(2);
      for (int i = 0; i < 2; i++) {
        ObjectNode annotation = json.withArray("annotations").addObject();
        annotation.put("image_id", 7 + i).put("file_name", i + ".png");
        ArrayNode segments = annotation.putArray("segments_info");
        segments.addObject().put("id", person).put("category_id", 1);
        segments.addObject().put("id", 9).put("category_id", 92);
        BufferedImage image = new BufferedImage(WIDTH, HEIGHT, BufferedImage.TYPE_INT_RGB);
        for (int y = 0; y < HEIGHT; y++) {
          for (int x = 0; x < WIDTH; x++) {
            image.setRGB(x, y, x < 5 ? 0x0305c8 : y < 9 ? 0x090000 : 0);
          }
        }
        Path png = write("coco/annotations/panoptic_" + part + "/" + i + ".png", new byte[0]);
        ImageIO.write(image, "png", png.toFile());
      }
      write("coco/annotations/panoptic_" + part + ".json", MAPPER.writeValueAsBytes(json));
      images("coco/" + part, 2);
    }
    Files.delete(folder.resolve("coco/val2017/1.jpg"));

    MaskConversion.Result result = converted();

    assertThat(result.images()).isEqualTo(3);
    assertThat(result.skipped())
        .singleElement()
        .satisfies(one -> assertThat(one.reason()).startsWith("no such file: "));
    for (String file : List.of("train/0.png", "train/1.png", "val/0.png")) {
      int[] values = mask(folder.resolve("out/masks/" + file)).values();
      for (int i = 0; i < values.length; i++) {
        int expected = i % WIDTH < 5 ? 0 : i / WIDTH < 9 ? 1 : 255;
        assertThat(values[i]).isEqualTo(expected);
      }
    }
    TrainingData<SegmentationDataset> data =
        SegmentationFolder.open(folder.resolve("out"), null, 1, true, Progress.NONE);
    assertThat(data.train().size()).isEqualTo(2);
    assertThat(data.test().size()).isEqualTo(1);
  }

  @Test
  void theZeroOfAde20kIsIgnored() throws IOException {
    StringBuilder names = new StringBuilder("Idx\tRatio\tTrain\tVal\tStuff\tName\n");
    for (int i = 1; i <= 150; i++) {
      names.append(i).append("\t0.1\t1\t1\t0\tthing ").append(i).append(", other name\n");
    }
    write("coco/objectInfo150.txt", names.toString().getBytes(StandardCharsets.UTF_8));
    for (String part : List.of("training", "validation")) {
      write("coco/images/" + part + "/a.jpg", SampleFiles.rgb("jpg", 3, 2));
      Path png = write("coco/annotations/" + part + "/a.png", new byte[0]);
      byte[] values = {0, 1, (byte) 150, 2, 3, 4};
      BufferedImage image = new BufferedImage(3, 2, BufferedImage.TYPE_BYTE_GRAY);
      image.getRaster().setDataElements(0, 0, 3, 2, values);
      ImageIO.write(image, "png", png.toFile());
    }
    Path root = folder.resolve("coco");
    assertThatThrownBy(() -> SegmentationFolder.open(root, null, 1, true, Progress.NONE))
        .isInstanceOf(DataException.class)
        .hasMessageContaining("fovea data " + root + " --convert OUT");

    MaskConversion.Result result = converted();

    assertThat(result.classes()).hasSize(150).startsWith("thing 1");
    assertThat(mask(folder.resolve("out/masks/val/a.png")).values())
        .containsExactly(255, 0, 149, 1, 2, 3);
    try (Stream<Path> left = Files.list(folder)) {
      assertThat(left.map(path -> path.getFileName().toString()))
          .containsExactlyInAnyOrder("coco", "out");
    }
    assertThatThrownBy(this::converted).hasMessageContaining("is there already");
  }

  @Test
  void whatIsReadAsItStandsIsNotConverted() throws IOException {
    write("coco/images/a.jpg", SampleFiles.rgb("jpg", 3, 2));
    write("coco/masks/a.png", new byte[0]);
    write("coco/annotations/instances_val2017.json", MAPPER.writeValueAsBytes(coco(1)));
    assertThat(MaskConversion.of(folder.resolve("coco"))).isEmpty();
    assertThat(MaskConversion.of(folder.resolve("nowhere"))).isEmpty();
  }

  @Test
  void damagedAnnotationsLeaveNothing() throws IOException {
    ObjectNode json = coco(1);
    ObjectNode annotation = json.withArray("annotations").addObject();
    annotation.put("image_id", 7).put("category_id", 92);
    ObjectNode runs = annotation.putObject("segmentation");
    runs.putArray("size").add(HEIGHT).add(WIDTH);
    runs.putArray("counts").add(5).add(WIDTH * HEIGHT);
    write("coco/annotations/stuff_val2017.json", MAPPER.writeValueAsBytes(json));
    images("coco/val2017", 1);

    assertThatThrownBy(this::converted)
        .isInstanceOf(DataException.class)
        .hasMessageEndingWith("0.jpg: its run lengths lead out of the image");
    assertThat(folder.resolve("out")).doesNotExist();

    runs.withArray("counts").removeAll().add(5).add(Long.MAX_VALUE);
    write("coco/annotations/stuff_val2017.json", MAPPER.writeValueAsBytes(json));
    assertThatThrownBy(this::converted)
        .hasMessageEndingWith("0.jpg: its run lengths lead out of the image");

    for (String name : List.of("../../secret.jpg", "a\u0000.jpg")) {
      ((ObjectNode) json.path("images").path(0)).put("file_name", name);
      write("coco/annotations/stuff_val2017.json", MAPPER.writeValueAsBytes(json));
      assertThatThrownBy(this::converted)
          .isInstanceOf(DataException.class)
          .hasMessageContaining("not the name of a file in ");
    }
  }
}
