package com.example;

import ai.djl.MalformedModelException;
import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.modality.cv.Image;
import ai.djl.modality.cv.ImageFactory;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ModelNotFoundException;
import ai.djl.repository.zoo.ZooModel;
import ai.djl.translate.TranslateException;
import java.io.IOException;
import java.nio.file.Path;

/** Classifies images with a network of Fovea's, in a program that knows DJL alone. */
public final class ClassifyWithDjl {
  private ClassifyWithDjl() {}

  /** Arguments: the folder that {@code fovea export --for djl} wrote, and images. */
  public static void main(String[] arguments)
      throws IOException, ModelNotFoundException, MalformedModelException, TranslateException {
    Criteria<Image, Classifications> criteria =
        Criteria.builder()
            .setTypes(Image.class, Classifications.class)
            .optModelPath(Path.of(arguments[0]))
            .build();
    try (ZooModel<Image, Classifications> model = criteria.loadModel();
        Predictor<Image, Classifications> predictor = model.newPredictor()) {
      for (int i = 1; i < arguments.length; i++) {
        Image image = ImageFactory.getInstance().fromFile(Path.of(arguments[i]));
        Classifications.Classification best = predictor.predict(image).best();
        System.out.printf(
            "%s: %s, %.1f %%%n",
            arguments[i], best.getClassName(), 100 * best.getProbability());
      }
    }
  }
}
