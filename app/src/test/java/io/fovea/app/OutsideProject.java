package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.FileVisitResult;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.SimpleFileVisitor;
import java.nio.file.attribute.BasicFileAttributes;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/**
 * A project in {@code examples/}, built by Maven against the jars that this build made. For the tests
 * of {@code mvn verify}, which says where Maven is.
 *
 * @param folder for what the test makes
 * @param project a copy of the project, built
 */
record OutsideProject(Path folder, Path project) {
  static final Path HOUSE = Path.of("..").toAbsolutePath().normalize();
  private static final String VERSION = property("fovea.version");
  private static final long MINUTES = 15; // far more than it takes, on any machine

  private static String property(String name) {
    String value = System.getProperty(name);
    assertThat(value).as(name + ", which the pom gives to the tests of mvn verify").isNotNull();
    return value;
  }

  /**
   * Builds a project.
   *
   * @param example its name in {@code examples/}
   * @param modules the folders of the modules that it needs, by the names of their artifacts
   */
  static OutsideProject build(String example, Map<String, String> modules)
      throws IOException, InterruptedException {
    Path folder = Path.of("target").toAbsolutePath().resolve("from-outside").resolve(example);
    deleteWhatAnEarlierBuildLeft(folder);
    Files.createDirectories(folder);
    Path project = copyOfTheExample(folder, example);
    Path repository = repository(folder, Path.of(property("maven.repository")), modules);
    OutsideProject built = new OutsideProject(folder, project);
    Outcome outcome =
        built.process(
            List.of(
                Path.of(property("maven.home"), "bin", "mvn").toString(),
                "--batch-mode",
                "--no-transfer-progress",
                "--file",
                project.resolve("pom.xml").toString(),
                "-Dmaven.repo.local=" + repository,
                "-Dfovea.version=" + VERSION,
                "package"),
            Map.of("JAVA_HOME", System.getProperty("java.home")));
    assertThat(outcome.status()).as(outcome.out()).isZero();
    return built;
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

  /** Its sources alone, so that nothing an earlier build left takes part. */
  private static Path copyOfTheExample(Path folder, String example) throws IOException {
    Path from = HOUSE.resolve("examples").resolve(example);
    Path to = folder.resolve(example);
    Files.walkFileTree(
        from,
        new SimpleFileVisitor<>() {
          @Override
          public FileVisitResult preVisitDirectory(Path directory, BasicFileAttributes attributes)
              throws IOException {
            if (directory.equals(from.resolve("target"))) {
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
    return to;
  }

  /**
   * A local repository in which the jars of this build are installed. All else is the user's own, by
   * links: nothing is downloaded twice, and the user's io.fovea stays as it is.
   */
  private static Path repository(Path folder, Path users, Map<String, String> modules)
      throws IOException {
    Path repository = Files.createDirectory(folder.resolve("repository"));
    Path io = Files.createDirectory(repository.resolve("io"));
    link(users, repository, "io");
    link(users.resolve("io"), io, "fovea");
    install(repository, "fovea-parent", HOUSE);
    for (Map.Entry<String, String> module : modules.entrySet()) {
      install(repository, module.getKey(), HOUSE.resolve(module.getValue()));
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
