package io.fovea;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;
import static org.assertj.core.api.Assertions.within;

import ai.djl.engine.Engine;
import ai.djl.inference.Predictor;
import ai.djl.modality.Classifications;
import ai.djl.modality.cv.Image;
import ai.djl.modality.cv.ImageFactory;
import ai.djl.repository.zoo.Criteria;
import ai.djl.repository.zoo.ZooModel;
import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import io.fovea.data.DataException;
import io.fovea.errors.FoveaException;
import io.fovea.errors.SpecException;
import io.fovea.testing.Stripes;
import java.awt.Graphics2D;
import java.awt.image.BufferedImage;
import java.lang.reflect.Constructor;
import java.lang.reflect.Method;
import java.lang.reflect.Modifier;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CancellationException;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import javax.imageio.ImageIO;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A program that trains on a folder of pictures: stripes that run across, and stripes that fall. */
class FrontDoorTest {
  @TempDir static Path temporary;

  private static final List<Epoch> SEEN = new ArrayList<>();
  private static ImageData data;
  private static Run run;

  @BeforeAll
  static void train() throws Exception {
    Engine.getEngine("OnnxRuntime"); // DJL wants to be the first that uses it in a process
    for (int i = 0; i < 40; i++) {
      Stripes.draw(temporary.resolve("images/across/" + i + ".png"), false, i);
      Stripes.draw(temporary.resolve("images/falling/" + i + ".png"), true, i);
    }
    data = ImageData.folder(temporary.resolve("images")).size(32).seed(3).load();
    Model model =
        Model.classifier("resnet8").attention("cbam").classes(data.classes()).seed(1).build();
    run =
        model.train(
            data,
            Training.defaults().epochs(3).batchSize(8).flip(false).onEpoch(SEEN::add),
            temporary.resolve("runs/mine"));
  }

  @AfterAll
  static void close() {
    run.close();
  }

  @Test
  void aSearchSaysWhichAttentionToTake() {
    List<String> lines = new ArrayList<>();
    Path folder = temporary.resolve("runs/search");
    Search search =
        Search.over(
                Model.classifier("resnet8").width(0.25).build(),
                data,
                Training.defaults().epochs(1).batchSize(8))
            .attentions("eca", "simam", "eca@standard")
            .budget("9epochs")
            .finalists(1)
            .seed(4)
            .onLine(lines::add);

    Search.Result result = search.run(folder);

    assertThat(result.finalists()).hasSize(1);
    assertThat(result.finalists().get(0).attention()).isIn("eca", "simam");
    assertThat(result.recommended()).isIn("none", "eca", "simam");
    // the second if all networks tell all images, as they do on most processors
    assertThat(result.conclusion())
        .containsAnyOf(
            "seeds find a difference of", "All trainings answered alike, so it is unknown");
    assertThat(lines).anyMatch(line -> line.startsWith("Finalists: "));
    assertThat(search.run(folder)).isEqualTo(result); // it is only read
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> search.budget("soon"))
        .withMessageContaining("30m, 2h, 90s or 200epochs");
  }

  @Test
  void trainsAndRemembersItsEpochs() {
    assertThat(data.classes()).containsExactly("across", "falling");
    assertThat(data.train().size()).isEqualTo(64);
    assertThat(data.test().size()).isEqualTo(16);
    assertThat(SEEN).hasSize(3).isEqualTo(run.epochs());
    assertThat(SEEN.get(2).number()).isEqualTo(3);
    assertThat(run.evaluate(data.test()).top1()).isGreaterThan(0.9);
  }

  @Test
  void theBestEpochIsEvaluated() {
    double best = SEEN.stream().mapToDouble(Epoch::testTop1).max().orElseThrow();
    Evaluation evaluation = run.evaluate(data.test());
    assertThat(evaluation.top1()).isEqualTo(best);
    assertThat(evaluation.images()).isEqualTo(16);
    long right = evaluation.confusion()[0][0] + evaluation.confusion()[1][1];
    assertThat(right / 16.0).isEqualTo(best);
    assertThat(evaluation.recall("across")).isEqualTo(evaluation.confusion()[0][0] / 8.0);
    assertThat(evaluation.json()).contains("\"top1\":").contains("\"confusion\":[[");
    assertThat(evaluation).asString().matches("top-1 \\d+\\.\\d % of 16 images");
  }

  @Test
  void saysWhichEpochItUses() {
    assertThat(run.weights()).matches("the best epoch, [123] of 3");
    assertThat(run).asString().endsWith(", weights of " + run.weights());
    try (Run last = Run.openLast(run.folder())) {
      assertThat(last.weights()).isEqualTo("the last epoch, 3 of 3");
      assertThat(last.evaluate(data.test()).top1()).isEqualTo(SEEN.get(2).testTop1());
    }
  }

  @Test
  void theCropOfTheTrainingIsUsedForFilesToo() throws Exception {
    ImageData cropped =
        ImageData.folder(temporary.resolve("images")).size(32).resize(40).seed(3).load();
    try (Run tight =
        Model.classifier("resnet8")
            .build()
            .train(
                cropped,
                Training.defaults().epochs(1).batchSize(8).flip(false),
                temporary.resolve("runs/cropped"))) {
      int right = 0;
      for (int i = 0; i < cropped.test().size(); i++) {
        Path file = temporary.resolve("images").resolve(cropped.test().name(i));
        right += tight.predict(file).best().name().equals(cropped.test().classOf(i)) ? 1 : 0;
        assertThat(tight.predict(Files.readAllBytes(file)).best())
            .isEqualTo(tight.predict(file).best());
      }
      assertThat(right / 16.0).isEqualTo(tight.evaluate(cropped.test()).top1());
      Path onnx = temporary.resolve("cropped.onnx");
      tight.exportOnnx(onnx);
      try (OrtSession session = OrtEnvironment.getEnvironment().createSession(onnx.toString())) {
        assertThat(session.getMetadata().getCustomMetadata())
            .containsEntry("image_size", "32")
            .containsEntry("resize", "40");
      }
      assertThat(Files.readString(tight.folder().resolve("config.json")))
          .containsPattern("\"size\" : 32,[^}]*\\}[^}]*\"resize\" : 40");
    }
  }

  @Test
  void aModelSaysHowItsImagesAreCropped() {
    Model model = Model.classifier("resnet18").pretrained().build();
    assertThat(model.prepared(io.fovea.data.source.DataSpec.of("images")))
        .isEqualTo(io.fovea.data.source.DataSpec.of("images").withResize(256));
    assertThat(
            Model.classifier("resnet20")
                .pretrained()
                .build()
                .prepared(io.fovea.data.source.DataSpec.of("images")))
        .isEqualTo(io.fovea.data.source.DataSpec.of("images").withImageSize(32));
  }

  @Test
  void theSameSeedGivesTheSameWeights() throws Exception {
    Path again = temporary.resolve("runs/again");
    try (Run second =
        Model.classifier("resnet8")
            .attention("cbam")
            .build()
            .train(data, Training.defaults().epochs(3).batchSize(8).flip(false), again)) {
      assertThat(again.resolve("last.safetensors"))
          .hasSameBinaryContentAs(run.folder().resolve("last.safetensors"));
    }
  }

  @Test
  void predictsFilesBytesAndPicturesAlike() throws Exception {
    Path file = temporary.resolve("images/falling/7.png");
    Prediction prediction = run.predict(file);
    assertThat(prediction.best().name()).isEqualTo("falling");
    assertThat(prediction.ranked().stream().mapToDouble(Prediction.Scored::probability).sum())
        .isCloseTo(1, within(1e-6));
    assertThat(run.predict(Files.readAllBytes(file))).isEqualTo(prediction);
    assertThat(run.predict(ImageIO.read(file.toFile()))).isEqualTo(prediction);
    assertThat(prediction.top(1)).containsExactly(prediction.best());
  }

  /** Many threads, one network: each gets what it would have got alone. */
  @Test
  void manyThreadsPredictWithOneNetwork() throws Exception {
    List<Path> files = new ArrayList<>();
    for (int i = 0; i < 40; i++) {
      files.add(temporary.resolve("images/" + (i % 2 == 0 ? "across/" : "falling/") + i + ".png"));
    }
    List<Prediction> alone = files.stream().map(run::predict).toList();
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<Prediction>> together =
          files.stream().map(file -> threads.submit(() -> run.predict(file))).toList();
      for (int i = 0; i < files.size(); i++) {
        List<Prediction.Scored> expected = alone.get(i).ranked();
        List<Prediction.Scored> got = together.get(i).get().ranked();
        for (int j = 0; j < expected.size(); j++) {
          assertThat(got.get(j).name()).isEqualTo(expected.get(j).name());
          // another number of threads may add numbers up in another order
          assertThat(got.get(j).probability())
              .isCloseTo(expected.get(j).probability(), within(1e-5));
        }
      }
    } finally {
      threads.shutdown();
    }
  }

  /** Everything that a run can do, by several threads at once, and then the end of it. */
  @Test
  void manyThreadsUseOneRunInEveryWayUntilItIsClosed() throws Exception {
    Path file = temporary.resolve("images/across/2.png");
    byte[] content = Files.readAllBytes(file);
    Run shared = Run.open(temporary.resolve("runs/mine"));
    Evaluation evaluation = shared.evaluate(data.test());
    Explanation.Gates gates = shared.explain(file).gates().get(0);
    String best = shared.predict(file).best().name();
    CountDownLatch used = new CountDownLatch(30);
    ExecutorService threads = Executors.newFixedThreadPool(4);
    try {
      List<Future<?>> users = new ArrayList<>();
      for (int user = 0; user < 3; user++) {
        Path onnx = temporary.resolve("shared-" + user + ".onnx");
        users.add(
            threads.submit(
                () -> {
                  try {
                    for (int i = 0; true; i++) {
                      switch (i % 6) {
                        case 0 -> assertThat(shared.predict(content).best().name()).isEqualTo(best);
                        case 1 ->
                            assertThat(shared.explain(file).gates().get(0).mean())
                                .isCloseTo(gates.mean(), within(1e-5));
                        case 2 ->
                            assertThat(shared.evaluate(data.test()).top1())
                                .isEqualTo(evaluation.top1());
                        case 3 -> shared.exportOnnx(onnx);
                        case 4 -> assertThat(shared.epochs()).hasSize(3);
                        default -> assertThat(shared.parameters()).isPositive();
                      }
                      used.countDown();
                    }
                  } catch (IllegalStateException closed) {
                    assertThat(closed).hasMessageContaining("this run is closed");
                    return null;
                  }
                }));
      }
      while (!used.await(100, TimeUnit.MILLISECONDS) && users.stream().noneMatch(Future::isDone)) {
        // they go on until the run is closed, or one of them fails
      }
      shared.close();
      for (Future<?> user : users) {
        user.get();
      }
      shared.close(); // a second time does nothing
    } finally {
      shared.close();
      threads.shutdown();
    }
    assertThatIllegalStateException()
        .isThrownBy(() -> shared.predict(file))
        .withMessageContaining("this run is closed");
  }

  @Test
  void explainsAndDraws() throws Exception {
    Explanation explanation = run.explain(temporary.resolve("images/across/3.png"));
    assertThat(explanation.gates()).hasSize(6); // three blocks, channels and positions
    for (Explanation.Gates gates : explanation.gates()) {
      assertThat(gates.mean()).isBetween(gates.minimum(), gates.maximum());
      assertThat(gates.maximum()).isBetween(0.0, 1.0);
    }
    BufferedImage picture =
        explanation.pictures().entrySet().stream()
            .filter(entry -> entry.getKey().startsWith("grad-cam."))
            .findFirst()
            .orElseThrow()
            .getValue()
            .get();
    assertThat(picture.getWidth()).isGreaterThan(40);
    Path page = explanation.save(temporary.resolve("explain"));
    assertThat(Files.readString(page)).contains("across").containsPattern("Fovea \\d+\\.\\d+");
    try (Stream<Path> pngs = Files.list(temporary.resolve("explain/3"))) {
      assertThat(pngs.count()).isEqualTo(explanation.pictures().size());
    }
  }

  @Test
  void whatIsExportedComputesTheSame() throws Exception {
    Path file = temporary.resolve("out/stripes.onnx");
    run.exportOnnx(file);
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    try (OrtSession session = environment.createSession(file.toString())) {
      String input = session.getInputNames().iterator().next();
      try (OnnxTensor images =
              OnnxTensor.createTensor(
                  environment,
                  FloatBuffer.wrap(new float[2 * 3 * 32 * 32]),
                  new long[] {2, 3, 32, 32});
          OrtSession.Result result = session.run(Map.of(input, images))) {
        assertThat(((float[][]) result.get(0).getValue())[0]).hasSize(2);
      }
      assertThat(session.getMetadata().getCustomMetadata().get("classes"))
          .isEqualTo("[\"across\",\"falling\"]");
    }
  }

  /** Images of the network's size, which need no scaling, and larger ones. */
  @Test
  void djlNeedsNoCodeForTheNetwork() throws Exception {
    Path folder = temporary.resolve("out/djl");
    run.exportDjl(folder);
    Criteria<Image, Classifications> criteria =
        Criteria.builder()
            .setTypes(Image.class, Classifications.class)
            .optModelPath(folder)
            .build();
    try (ZooModel<Image, Classifications> model = criteria.loadModel();
        Predictor<Image, Classifications> predictor = model.newPredictor()) {
      for (int i = 0; i < 6; i++) {
        Path file = temporary.resolve("images/" + (i < 3 ? "across/" : "falling/") + i + ".png");
        BufferedImage picture = ImageIO.read(file.toFile());
        assertSame(predictor, picture, 0.05); // a pixel may be scaled to the next level
        assertSame(predictor, part(picture), 1e-4);
      }
    }
  }

  private static BufferedImage part(BufferedImage picture) {
    BufferedImage part = new BufferedImage(32, 32, BufferedImage.TYPE_INT_RGB);
    Graphics2D g = part.createGraphics();
    g.drawImage(picture, -3, -5, null);
    g.dispose();
    return part;
  }

  private static void assertSame(
      Predictor<Image, Classifications> predictor, BufferedImage picture, double difference)
      throws Exception {
    Classifications there = predictor.predict(ImageFactory.getInstance().fromImage(picture));
    Prediction here = run.predict(picture);
    assertThat(there.best().getClassName()).isEqualTo(here.best().name());
    for (Prediction.Scored scored : here.ranked()) {
      assertThat(there.get(scored.name()).getProbability())
          .isCloseTo(scored.probability(), within(difference));
    }
  }

  @Test
  void tritonGetsARepository() throws Exception {
    Path repository = temporary.resolve("out/triton");
    run.exportTriton(repository);
    assertThat(repository.resolve("mine/config.pbtxt"))
        .hasContent(
            """
            name: "mine"
            platform: "onnxruntime_onnx"
            max_batch_size: 32
            input [ { name: "images" data_type: TYPE_FP32 dims: [3, 32, 32] } ]
            output [ { name: "scores" data_type: TYPE_FP32 dims: [2] label_filename: "labels.txt" } ]
            dynamic_batching { }
            """);
    assertThat(repository.resolve("mine/labels.txt")).hasContent("across\nfalling\n");
    Path plain = temporary.resolve("out/plain.onnx");
    run.exportOnnx(plain);
    assertThat(repository.resolve("mine/1/model.onnx")).hasSameBinaryContentAs(plain);
  }

  @Test
  void opensWhatWasTrained() {
    Path file = temporary.resolve("images/across/1.png");
    Prediction before = run.predict(file);
    try (Run opened = Run.open(run.folder())) {
      assertThat(opened.predict(file)).isEqualTo(before);
      assertThat(opened.classes()).isEqualTo(data.classes());
      assertThat(opened.parameters()).isEqualTo(run.parameters()).isGreaterThan(70_000);
    }
  }

  /** A network whose weights leave as a file of PyTorch's names, and come back. */
  @Test
  void importsWhatItRecognises() {
    List<String> findings = new ArrayList<>();
    Path file = run.folder().resolve("best.safetensors");
    Path picture = temporary.resolve("images/falling/7.png");
    try (Run imported =
        Import.of(file)
            .classes(data.classes())
            .imageSize(32)
            .normalization(new double[] {0.5, 0.5, 0.5}, new double[] {0.25, 0.25, 0.25})
            .onFinding(findings::add)
            .to(temporary.resolve("runs/imported"))) {
      assertThat(imported.classes()).isEqualTo(data.classes());
      assertThat(imported.parameters()).isEqualTo(run.parameters());
      assertThat(imported.predict(picture).best().name()).isEqualTo("falling");
      assertThat(findings)
          .anyMatch(line -> line.startsWith("resnet8: "))
          .anyMatch(line -> line.startsWith("cbam: 3 modules"));
    }
    assertThatExceptionOfType(FoveaException.class)
        .isThrownBy(() -> Import.of(file).backbone("vgg16").to(temporary.resolve("runs/no")))
        .withMessageContaining("unknown backbone: \"vgg16\"");
    assertThatExceptionOfType(DataException.class)
        .isThrownBy(() -> Import.of(temporary.resolve("no.pth")).to(temporary.resolve("runs/no")))
        .withMessageContaining("no.pth");
    assertThat(temporary.resolve("runs/no")).doesNotExist();
  }

  @Test
  void aClosedRunSaysSo() {
    Run opened = Run.open(run.folder());
    opened.close();
    opened.close();
    assertThatIllegalStateException()
        .isThrownBy(() -> opened.predict(temporary.resolve("images/across/1.png")))
        .withMessageEndingWith("this run is closed");
  }

  @Test
  void aTrainingCanBeCancelled() {
    int[] steps = {0};
    Training training =
        Training.defaults()
            .epochs(50)
            .progress((task, done, total) -> steps[0]++)
            .cancelWhen(() -> steps[0] == 5);
    assertThatExceptionOfType(CancellationException.class)
        .isThrownBy(
            () ->
                Model.classifier("resnet8")
                    .build()
                    .train(data, training, temporary.resolve("runs/cancelled")));
    assertThat(steps[0]).isEqualTo(5);
  }

  @Test
  void startsFromTheWeightsOfARunAndGoesOnAfterAnInterruption() throws Exception {
    Model model = Model.classifier("resnet8").attention("cbam").weights(run.folder()).build();
    Path folder = temporary.resolve("runs/tuned");
    int[] steps = {0};
    Training training = Training.finetune().freeze("backbone").epochs(2).batchSize(8);
    assertThatExceptionOfType(CancellationException.class)
        .isThrownBy(
            () ->
                model.train(
                    data,
                    training
                        .progress((task, done, total) -> steps[0]++)
                        .cancelWhen(() -> steps[0] == 12),
                    folder));

    try (Run tuned = model.train(data, training, folder)) {
      assertThat(tuned.epochs()).hasSize(2);
      assertThat(tuned.evaluate(data.test()).top1()).isGreaterThan(0.9);
    }
  }

  @Test
  void mistakesAreNamed() {
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Model.classifier("resnet17"))
        .withMessageContaining("unknown backbone: \"resnet17\"");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Model.classifier("resnet8").attention("cbma"))
        .withMessageContaining("did you mean \"cbam\"?");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Model.classifier("resnet8").attention("se:reduction=32").build())
        .withMessageContaining("reduction=32 exceeds the 16 channels");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Training.defaults().augment("crop=0.35,1;trival"))
        .withMessageContaining("no step \"trival\"");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(() -> Training.defaults().epochs(0))
        .withMessageContaining("epochs must be at least 1, got 0");
    assertThatExceptionOfType(SpecException.class)
        .isThrownBy(
            () ->
                Model.classifier("resnet8")
                    .classes(List.of("cat", "dog"))
                    .build()
                    .train(data, Training.defaults(), temporary.resolve("runs/none")))
        .withMessageContaining("the model has the classes [cat, dog]");
    assertThatExceptionOfType(DataException.class)
        .isThrownBy(() -> ImageData.folder(temporary.resolve("nowhere")).load())
        .withMessageContaining("no such folder");
    assertThatExceptionOfType(DataException.class)
        .isThrownBy(() -> Run.open(temporary))
        .withMessageContaining("not a run folder");
    assertThatExceptionOfType(FoveaException.class)
        .isThrownBy(() -> run.predict(new byte[] {1, 2, 3}));
  }

  /** Nothing that a user sees comes from the presets of the native library. */
  @Test
  void noNativeTypeIsInASignature() {
    for (Class<?> type :
        List.of(
            ImageData.class,
            ImageData.Builder.class,
            Images.class,
            Model.class,
            Model.Builder.class,
            Training.class,
            Epoch.class,
            Run.class,
            Evaluation.class,
            Prediction.class,
            Explanation.class)) {
      List<String> types = new ArrayList<>();
      for (Method method : type.getDeclaredMethods()) {
        if (Modifier.isPublic(method.getModifiers())) {
          types.add(method.toGenericString());
        }
      }
      for (Constructor<?> constructor : type.getConstructors()) {
        types.add(constructor.toGenericString());
      }
      assertThat(types).isNotEmpty().noneMatch(text -> text.contains("bytedeco"));
      assertThat(types).noneMatch(text -> text.contains("io.fovea.models"));
      assertThat(types).noneMatch(text -> text.contains("io.fovea.training"));
    }
  }
}
