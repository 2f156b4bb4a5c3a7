package io.fovea.app.cli;

import io.fovea.data.AugmentSpec;
import io.fovea.data.Augmentation;
import io.fovea.data.Batch;
import io.fovea.data.BatchLoader;
import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.ImageDataset;
import io.fovea.data.Normalization;
import io.fovea.explain.Png;
import io.fovea.explain.Strip;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Path;

/** A page with training images as the loader hands them to a training. */
final class AugmentedPage {
  private static final int IMAGES = 12;
  private static final int EPOCHS = 6;

  private AugmentedPage() {}

  /**
   * Writes the first images of each class, at most twelve, each as it is and from six epochs.
   *
   * @throws DataException if the file cannot be written
   */
  static void write(Path file, ImageDataset all, Normalization normalization, AugmentSpec steps) {
    ImageDataset images = all.limit(Math.min(IMAGES, all.size()));
    StringBuilder[] rows = new StringBuilder[images.size()];
    for (int i = 0; i < rows.length; i++) {
      String name = images.classes().get(images.label(i)) + ": " + images.id(i);
      rows[i] =
          new StringBuilder("<tr><th>")
              .append(escaped(name))
              .append("</th>")
              .append(cell(images.sample(i).image()));
    }
    try (BatchLoader loader =
        BatchLoader.builder(images, normalization)
            .batchSize(images.size())
            .augmentation(new Augmentation(0, false, steps))
            .seed(1)
            .build()) {
      for (int epoch = 0; epoch < EPOCHS; epoch++) {
        for (Batch batch : loader.epoch(epoch)) {
          try (batch) {
            long[] shape = batch.images().shape();
            float[] values = new float[Math.toIntExact(batch.images().numel())];
            batch.images().<FloatBuffer>createBuffer().get(values);
            for (int i = 0; i < rows.length; i++) {
              rows[i].append(cell(normalization.image(values, i, shape)));
            }
          }
        }
      }
    }
    StringBuilder html =
        new StringBuilder(
            "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\">"
                + "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
                + "<title>Fovea: augmented images</title><style>:root{color-scheme:light dark}"
                + "body{font:15px/1.4 sans-serif;margin:24px}table{border-spacing:6px}"
                + "th{text-align:left;font-weight:400;max-width:14em;overflow-wrap:anywhere}"
                + "img{display:block;width:128px}</style></head><body><h1>Augmented images</h1><p>");
    html.append(
        steps.isEmpty() ? "There are no changes." : "Steps: " + escaped(steps.toString()) + ".");
    html.append(
        " The first picture of each row is the image as it is read; the others are what a training"
            + " gets in six epochs.</p><table>");
    for (StringBuilder row : rows) {
      html.append(row).append("</tr>");
    }
    html.append("</table></body></html>\n");
    try {
      Json.writeText(file, html.toString());
    } catch (IOException e) {
      throw new DataException(file + ": cannot be written: " + e.getMessage(), e);
    }
  }

  private static String cell(Image image) {
    return "<td><img alt=\"\" src=\"" + Png.uri(Strip.of(image)) + "\"></td>";
  }

  private static String escaped(String text) {
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;");
  }
}
