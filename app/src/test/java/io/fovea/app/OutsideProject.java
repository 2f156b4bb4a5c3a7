package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.File;
import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A project in {@code examples/}, built by Maven against the jars that this build made. All of them
 * are built at once, for the first test that needs one. For the tests of {@code mvn verify}, which
 * says where Maven is.
 *
 * @param folder for what the tests make
 * @param project a copy of the project, built
 */
record OutsideProject(Path folder, Path project) {
  static final Path HOUSE = Path.of("..").toAbsolutePath().normalize();
  private static final String VERSION = property("fovea.version");
  private static final long MINUTES = 15; // far more than it takes, on any machine

  private static Path built;

  private static String property(String name) {
    String value = System.getProperty(name);
    assertThat(value).as(name + ", which the pom gives to the tests of mvn verify").isNotNull();
    return value;
  }

  /**
   * Returns a project, built.
   *
   * @param example its name in {@code examples/}
   */
  static synchronized OutsideProject of(String example) throws IOException, InterruptedException {
    Path folder = Path.of("target").toAbsolutePath().resolve("from-outside");
    if (built == null) {
      deleteWhatAnEarlierBuildLeft(folder);
      Files.createDirectories(folder);
      build(folder);
      built = folder;
    }
    Path results = Files.createDirectories(folder.resolve("results").resolve(example));
    return new OutsideProject(results, folder.resolve("examples").resolve(example));
  }

  private static void build(Path folder) throws IOException, InterruptedException {
    Path examples = folder.resolve("examples");
    copyOfTheExamples(examples);
    Path repository = repository(folder, Path.of(property("maven.repository")));
    Outcome outcome =
        new OutsideProject(folder, examples)
            .process(
                List.of(
                    Path.of(property("maven.home"), "bin", "mvn").toString(),
                    "--batch-mode",
                    "--no-transfer-progress",
                    "--file",
                    examples.resolve("pom.xml").toString(),
                    "-Djavacpp.platform.host",
                    "-Dmaven.repo.local=" + repository,
                    "-Dfovea.version=" + VERSION,
                    "package"),
                Map.of("JAVA_HOME", System.getProperty("java.home")));
    assertThat(outcome.status()).as(outcome.out()).isZero();
  }

  private static void deleteWhatAnEarlierBuildLeft(Path folder) throws IOException {
    if (Files.exists(folder)) {
      try (Stream<Path> files = Files.walk(folder)) { // does not follow the links
        for (Path file : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.delete(file);
        }
      }
    }
  }

  /** Their sources alone, so that nothing an earlier build left takes part. */
  private static void copyOfTheExamples(Path to) throws IOException {
    Path from = HOUSE.resolve("examples");
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
              throws IOException {
            if (directory.endsWith("target")) {
              return FileVisitResult.SKIP_SUBTREE;
            }
            Files.createDirectories(to.resolve(from.relativize(directory)));
            return FileVisitResult.CONTINUE;
          }

          @Override
          public FileVisitResult visitFile(Path file, BasicFileAttributes attributes)
              throws IOException {
            Files.copy(file, to.resolve(from.relativize(file)));
            return FileVisitResult.CONTINUE;
          }
        });
  }

  /**
   * A local repository in which the jars of this build are installed. All else is the user's own, by
   * links: nothing is downloaded twice, and the user's io.fovea stays as it is.
   */
  private static Path repository(Path folder, Path users) throws IOException {
    Path repository = Files.createDirectory(folder.resolve("repository"));
    Path io = Files.createDirectory(repository.resolve("io"));
    link(users, repository, "io");
    link(users.resolve("io"), io, "fovea");
    install(repository, "fovea-parent", HOUSE);
    install(repository, "fovea", HOUSE.resolve("api"));
    for (String module : List.of("attention", "data", "explain", "models", "training")) {
      install(repository, "fovea-" + module, HOUSE.resolve(module));
    }
    if (Runtime.version().feature() >= 25) {
      install(repository, "fovea-kernels", HOUSE.resolve("kernels"));
    }
    return repository;
  }

  private static void link(Path from, Path to, String but) throws IOException {
    try (Stream<Path> entries = Files.list(from)) {
      for (Path entry : entries.filter(e -> !e.endsWith(but)).toList()) {
        Files.createSymbolicLink(to.resolve(entry.getFileName()), entry);
      }
    }
  }

  /** What {@code mvn install} copies of a module. */
  private static void install(Path repository, String artifact, Path module) throws IOException {
    String name = artifact + "-" + VERSION;
    Path to = repository.resolve(Path.of("io", "fovea", artifact, VERSION));
    Files.createDirectories(to);
    Files.copy(module.resolve("pom.xml"), to.resolve(name + ".pom"));
    if (Files.exists(module.resolve("src"))) {
      for (String file : List.of(name + ".jar", name + "-tests.jar")) {
        Path built = module.resolve("target").resolve(file);
        if (Files.exists(built)) { // not all have tests for others
          Files.copy(built, to.resolve(file));
        }
      }
    }
  }

  /**
   * The command that runs a program of the project.
   *
   * @param main its class
   */
  List<String> java(String main, String... arguments) throws IOException {
    Path target = project.resolve("target");
    return Stream.concat(
            Stream.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                target.resolve("classes")
                    + File.pathSeparator
                    + Files.readString(target.resolve("classpath")).strip(),
                main),
            Arrays.stream(arguments))
        .toList();
  }

  /** Runs a program of the project, which has to succeed. */
  Outcome run(String main, String... arguments) throws IOException, InterruptedException {
    Outcome outcome = process(java(main, arguments), Map.of());
    assertThat(outcome.status()).as(outcome.out()).isZero();
    return outcome;
  }

  /** The command line in a process of its own, as the launcher starts it. */
  Outcome fovea(Map<String, String> environment, String... arguments)
      throws IOException, InterruptedException {
    Path target = HOUSE.resolve("app").resolve("target");
    String others = Files.readString(target.resolve("fovea.classpath"));
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    if (Runtime.version().feature() >= 24) {
      command.add("--enable-native-access=ALL-UNNAMED"); // or Java warns
    }
    String classes = target.resolve("classes") + File.pathSeparator + others;
    command.addAll(List.of("-cp", classes, Fovea.class.getName()));
    command.addAll(List.of(arguments));
    return process(command, environment);
  }

  /** Runs a command. */
  Outcome process(List<String> command, Map<String, String> environment)
      throws IOException, InterruptedException {
    ProcessBuilder builder = new ProcessBuilder(command).redirectErrorStream(true);
    builder.environment().putAll(environment);
    Path said = Files.createTempFile(folder, "said", ".txt");
    Process process = builder.redirectOutput(said.toFile()).start();
    if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
      process.destroyForcibly();
    }
    return new Outcome(process.waitFor(), Files.readString(said), "");
  }
}
