package io.fovea.app;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.training.ImageData;
import io.fovea.training.ImageDataset;
import io.fovea.training.Json;
import java.awt.image.BufferedImage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Base64;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import javax.imageio.ImageIO;

/** {@code report.html}: one file that shows {@link Results} and needs no network. */
final class Report {
  private static final String PLACE = "/*FOVEA-DATA*/null";

  private Report() {}

  static void write(Path file, Results results, List<Study.Run> runs, ImageData data)
      throws IOException {
    ObjectNode all = Json.MAPPER.valueToTree(results);
    all.set("examples", examples(runs, data));
    String json =
        Json.line(all).replace("<", "\\u003c"); // names in the data must not end the script
    Json.writeText(file, template().replace(PLACE, json));
  }

  private static String template() throws IOException {
    try (InputStream in = Report.class.getResourceAsStream("report.html")) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    }
  }

  /** By image what each module made of it, of the runs that looked (those of the first seed). */
  private static ArrayNode examples(List<Study.Run> runs, ImageData data) throws IOException {
    Map<Integer, ObjectNode> byImage = new TreeMap<>();
    ImageDataset test = data.test();
    for (Study.Run run : runs) {
      for (Examples.Example example : run.examples()) {
        if (!byImage.containsKey(example.index())) {
          ObjectNode image = Json.MAPPER.createObjectNode();
          image.put("image", "data:image/png;base64," + png(test, example.index()));
          image.put("label", test.classes().get(test.label(example.index())));
          image.put("width", test.width());
          image.put("height", test.height());
          image.putObject("modules");
          byImage.put(example.index(), image);
        }
        ObjectNode module =
            byImage.get(example.index()).withObject("/modules").putObject(run.module());
        module.put("predicted", test.classes().get(example.predicted()));
        module.put("probability", example.probability());
        module.set("maps", Json.MAPPER.valueToTree(example.maps()));
      }
    }
    ArrayNode list = Json.MAPPER.createArrayNode();
    byImage.values().forEach(list::add);
    return list;
  }

  private static String png(ImageDataset images, int index) throws IOException {
    return Base64.getEncoder().encodeToString(pngBytes(images, index));
  }

  /** An image of a data set as a PNG file. */
  static byte[] pngBytes(ImageDataset images, int index) throws IOException {
    int width = images.width();
    int height = images.height();
    int plane = width * height;
    byte[] pixels = images.pixels(index);
    BufferedImage image = new BufferedImage(width, height, BufferedImage.TYPE_INT_RGB);
    for (int i = 0; i < plane; i++) {
      int rgb = 0;
      for (int channel = 0; channel < 3; channel++) {
        int source = images.channels() == 1 ? 0 : channel;
        rgb = rgb << 8 | Byte.toUnsignedInt(pixels[source * plane + i]);
      }
      image.setRGB(i % width, i / width, rgb);
    }
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    ImageIO.write(image, "png", out);
    return out.toByteArray();
  }
}
