/**
 * Fovea for Java programs. No type of the native library appears here, nothing has to be freed but
 * a {@link io.fovea.Run}, and one seed determines a training. A program that wants tensors and
 * modules uses {@code io.fovea.attention} and {@code io.fovea.models}.
 *
 * <pre>{@code
 * ImageData data = ImageData.folder(Path.of("my-images")).size(224).load();
 * Model model = Model.classifier("resnet18").attention("cbam").seed(1).build();
 * try (Run run = model.train(data, Training.defaults().epochs(30), Path.of("runs/mine"))) {
 *   System.out.println(run.evaluate(data.test()));
 *   System.out.println(run.predict(Path.of("boot.jpg")).best());
 *   run.explain(Path.of("boot.jpg")).save(Path.of("explain"));
 *   run.exportOnnx(Path.of("shoes.onnx"));
 * }
 * }</pre>
 *
 * <p>Nothing here may be null, and nothing returns null, unless it is annotated with {@link
 * org.jspecify.annotations.Nullable}.
 *
 * <p>Mistakes that a user can mend, such as a folder without images, are {@link
 * io.fovea.errors.FoveaException}s with one line that says what to do. Start with {@link
 * io.fovea.Model}.
 */
@NullMarked
package io.fovea;

import org.jspecify.annotations.NullMarked;
