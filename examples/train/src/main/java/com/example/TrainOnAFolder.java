package com.example;

import io.fovea.ImageData;
import io.fovea.Model;
import io.fovea.Run;
import io.fovea.Training;
import java.nio.file.Path;

/** Trains on a folder of class folders, and shows what the network looks at in one picture. */
public final class TrainOnAFolder {
  private TrainOnAFolder() {}

  /** Arguments: the folder of images, a picture, and the folder for what comes out. */
  public static void main(String[] arguments) {
    Path images = Path.of(arguments[0]);
    Path picture = Path.of(arguments[1]);
    Path out = Path.of(arguments[2]);

    ImageData data = ImageData.folder(images).size(32).load();
    Model model = Model.classifier("resnet20").attention("cbam").seed(1).build();
    Training training = Training.defaults().epochs(5).onEpoch(System.out::println);

    try (Run run = model.train(data, training, out.resolve("run"))) {
      System.out.println(run.evaluate(data.test()));
      System.out.println(run.predict(picture).best());
      System.out.println(run.explain(picture).save(out.resolve("explain")));
      run.exportOnnx(out.resolve("network.onnx"));
    }
  }
}
