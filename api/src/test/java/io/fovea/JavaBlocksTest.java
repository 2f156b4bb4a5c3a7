package io.fovea;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import javax.tools.DiagnosticCollector;
import javax.tools.JavaCompiler;
import javax.tools.JavaFileManager;
import javax.tools.JavaFileObject;
import javax.tools.SimpleJavaFileObject;
import javax.tools.ToolProvider;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The Java code in the documents compiles. What examples/ and other tests hold is run there. */
class JavaBlocksTest {
  private static final Path ROOT = Path.of("..").toAbsolutePath().normalize();
  private static final Pattern BLOCK = Pattern.compile("(?s)```java\n(.*?)```");

  private static final String ALWAYS =
      imports("java.io.*", "java.nio.*", "java.nio.file.*", "java.time.*", "java.util.*");
  private static final String FRONT_DOOR =
      imports(
          "io.fovea.*",
          "ai.onnxruntime.*",
          "ai.djl.inference.*",
          "ai.djl.modality.*",
          "ai.djl.modality.cv.*",
          "ai.djl.repository.zoo.*");
  private static final String ENGINE =
      imports(
          "io.fovea.attention.*",
          "io.fovea.data.*",
          "io.fovea.data.image.*",
          "io.fovea.data.source.*",
          "io.fovea.explain.*",
          "io.fovea.models.*",
          "io.fovea.models.placement.*",
          "io.fovea.models.transfer.*",
          "io.fovea.models.weights.*",
          "io.fovea.nn.*",
          "io.fovea.tensor.*",
          "io.fovea.training.*",
          "io.fovea.training.evaluate.*",
          "io.fovea.training.run.*",
          "org.bytedeco.javacpp.PointerScope",
          "org.bytedeco.pytorch.Module",
          "org.bytedeco.pytorch.Tensor",
          "org.bytedeco.pytorch.global.torch");
  private static final Pattern OF_ENGINE =
      Pattern.compile("\\b(Tasks|PointerScope|NetworkFacts|StateDictMatch|Placement)\\b");

  /** What the reader has before the first line of a block, by its name. */
  private static final Map<String, String> FRONT_DOOR_GIVEN =
      Map.of("data", "ImageData", "model", "Model", "bytes", "byte[]");

  private static final Map<String, String> ENGINE_GIVEN =
      Map.ofEntries(
          Map.entry("data", "TrainingData<ImageDataset>"),
          Map.entry("model", "NetworkSpec<Classifier>"),
          Map.entry("spec", "TrainingSpec"),
          Map.entry("source", "DataSpec"),
          Map.entry("image", "Tensor"),
          Map.entry("x", "Tensor"),
          Map.entry("files", "List<Path>"),
          Map.entry("run", "io.fovea.training.run.Run<Classifier, ImageDataset>"),
          Map.entry("explanation", "io.fovea.explain.Explanation"));

  @TempDir Path classes;

  @Test
  void compile() throws IOException {
    List<JavaFileObject> units = new ArrayList<>();
    Map<String, String> where = new TreeMap<>();
    for (Path document : documents()) {
      Matcher block = BLOCK.matcher(Files.readString(document));
      while (block.find()) {
        String name = "Block" + units.size();
        String source = unit(name, block.group(1));
        where.put("/" + name + ".java", ROOT.relativize(document) + ":\n" + source);
        units.add(source(name, source));
      }
    }
    assertThat(units).hasSizeGreaterThan(12);
    JavaCompiler compiler = ToolProvider.getSystemJavaCompiler();
    DiagnosticCollector<JavaFileObject> problems = new DiagnosticCollector<>();
    JavaFileManager files = compiler.getStandardFileManager(problems, Locale.ROOT, null);
    boolean compiled =
        compiler
            .getTask(
                null,
                files,
                problems,
                List.of(
                    "-proc:none",
                    "-d",
                    classes.toString(),
                    "-cp",
                    System.getProperty("java.class.path")),
                null,
                units)
            .call();
    assertThat(compiled)
        .as(
            problems.getDiagnostics().stream()
                .filter(problem -> problem.getSource() != null)
                .map(
                    problem ->
                        problem.getMessage(Locale.ROOT)
                            + " in line "
                            + problem.getLineNumber()
                            + " of "
                            + where.get(problem.getSource().getName()))
                .collect(Collectors.joining("\n")))
        .isTrue();
  }

  private static List<Path> documents() throws IOException {
    try (Stream<Path> top = Files.list(ROOT);
        Stream<Path> docs = Files.walk(ROOT.resolve("docs"));
        Stream<Path> examples = Files.walk(ROOT.resolve("examples"), 2)) {
      return Stream.of(top, docs, examples)
          .flatMap(files -> files)
          .filter(file -> file.toString().endsWith(".md"))
          .filter(file -> !file.endsWith("docs/mechanism.md")) // its code is examples/mechanism
          .filter(file -> !file.endsWith("docs/spark.md")) // Spark is not on this class path
          .sorted()
          .toList();
    }
  }

  /** A block is statements, with the imports that its page leaves out. */
  private static String unit(String name, String block) {
    String code = block.replaceAll("= \\.\\.\\.;", "= null;").replaceAll("(?m)^ *\\.\\.\\. *$", "");
    boolean engine = OF_ENGINE.matcher(code).find();
    String head = ALWAYS + (engine ? ENGINE : FRONT_DOOR);
    String given =
        (engine ? ENGINE_GIVEN : FRONT_DOOR_GIVEN)
            .entrySet().stream()
                .filter(entry -> !declares(block, entry.getKey()))
                .map(entry -> entry.getValue() + " " + entry.getKey())
                .sorted()
                .collect(Collectors.joining(", "));
    return head
        + "class "
        + name
        + " {\n  void block("
        + given
        + ") throws Exception {\n"
        + code
        + "\n}\n}\n";
  }

  private static boolean declares(String block, String name) {
    return Pattern.compile("[\\w>\\]] " + name + " =").matcher(block).find();
  }

  private static String imports(String... names) {
    return Stream.of(names).map(name -> "import " + name + ";\n").collect(Collectors.joining());
  }

  private static JavaFileObject source(String name, String text) {
    return new SimpleJavaFileObject(
        URI.create("string:///" + name + ".java"), JavaFileObject.Kind.SOURCE) {
      @Override
      public CharSequence getCharContent(boolean ignoreEncodingErrors) {
        return text;
      }
    };
  }
}
