/**
 * Fovea for Java programs: train, evaluate, predict, explain and export, without a type of the native
 * library. This is the one dependency of a program, {@code io.fovea:fovea}; start with {@link
 * io.fovea.Model} and {@link io.fovea.Run}.
 *
 * <pre>{@code
 * ImageData data = ImageData.folder(Path.of("my-images")).size(224).load();
 * Model model = Model.classifier("resnet18").attention("cbam").pretrained().build();
 * try (Run run = model.train(data, Training.finetune().epochs(30), Path.of("runs/mine"))) {
 *   System.out.println(run.evaluate(data.test()));
 *   System.out.println(run.predict(Path.of("boot.jpg")).best());
 * }
 * }</pre>
 */
module io.fovea {
  requires io.fovea.explain;
  requires transitive java.desktop;
  requires static transitive org.jspecify;

  exports io.fovea;

  opens io.fovea to
      com.fasterxml.jackson.databind;
}
