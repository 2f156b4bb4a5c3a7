package io.fovea.app;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.FileTime;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Instant;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.condition.EnabledOnOs;
import org.junit.jupiter.api.condition.OS;
import org.junit.jupiter.api.io.TempDir;

/**
 * The launcher {@code fovea}, a shell script, in a home of its own. A script takes the place of
 * Java: it claims to be newer than any installed one, and prints what it was called with. Another
 * takes the place of Maven.
 */
@EnabledOnOs({OS.LINUX, OS.MAC})
class LauncherTest {
  @TempDir Path temporary;

  private Path home;
  private String locale = "";
  private Path java;
  private Path bin;
  private final Map<String, String> environment = new HashMap<>();

  /** What the launcher printed. */
  private record Result(int status, String out, String err) {}

  @BeforeEach
  void makeAHome() throws IOException {
    home = Files.createDirectories(temporary.resolve("home of fovea"));
    Files.copy(Path.of("..", "fovea"), home.resolve("fovea"));
    Files.createDirectories(home.resolve(".mvn"));
    write("pom.xml", "<project/>");
    write("app/pom.xml", "<project/>");
    write("app/src/main/java/App.java", "class App {}");
    java = temporary.resolve("jdk");
    script(
        java.resolve("bin/java"),
        "if [ \"$1\" = -version ]; then echo 'openjdk version \"99.0.1\"' >&2; exit; fi",
        "for word in \"$@\"; do case $word in",
        "  -XX:ArchiveClassesAtExit=*) echo classes >\"${word#*=}\" ;;",
        "esac; done",
        "echo java of version said something >&2",
        "echo locale $LC_ALL",
        "for word in \"$@\"; do echo \"[$word]\"; done",
        "echo trim $MALLOC_TRIM_THRESHOLD_ spin $GOMP_SPINCOUNT",
        "exit 7");
    bin = temporary.resolve("bin");
    script(
        bin.resolve("mvn"),
        "echo \"built in $(pwd -P) by $JAVA_HOME with $*\" >>built",
        "[ ! -f broken ] || { echo 'App.java: not a class'; exit 1; }",
        "mkdir -p app/target && echo lib/fovea-kernels.jar >app/target/fovea.classpath",
        "touch app/target/fovea-app.jar",
        "case $* in *spark*) mkdir -p spark/target; touch spark/target/fovea-spark-thin.jar ;; esac");
  }

  private Path write(String name, String text) throws IOException {
    Path file = home.resolve(name);
    Files.createDirectories(file.getParent());
    return Files.writeString(file, text);
  }

  private static void script(Path file, String... lines) throws IOException {
    Files.createDirectories(file.getParent());
    Files.writeString(file, "#!/bin/sh\n" + String.join("\n", lines) + "\n");
    Files.setPosixFilePermissions(file, PosixFilePermissions.fromString("rwxr-xr-x"));
  }

  private Result run(Path launcher, String... arguments) throws Exception {
    Path out = temporary.resolve("out.txt");
    Path err = temporary.resolve("err.txt");
    ProcessBuilder builder = new ProcessBuilder();
    builder.command().add(launcher.toString());
    builder.command().addAll(List.of(arguments));
    builder.environment().put("JAVA_HOME", java.toString());
    builder.environment().put("PATH", bin + ":" + System.getenv("PATH"));
    builder.environment().put("TMPDIR", temporary.toString());
    builder.environment().put("XDG_CACHE_HOME", temporary.resolve("cache").toString());
    builder.environment().remove("MALLOC_TRIM_THRESHOLD_");
    builder.environment().put("GOMP_SPINCOUNT", "123");
    builder.environment().remove("LC_CTYPE");
    builder.environment().remove("LANG");
    builder.environment().put("LC_ALL", locale);
    builder.environment().putAll(environment);
    Process process = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    process.getOutputStream().close();
    assertThat(process.waitFor(5, TimeUnit.MINUTES)).isTrue();
    return new Result(process.exitValue(), Files.readString(out), Files.readString(err));
  }

  @Test
  void buildsOnceAndPassesArgumentsAndStatusOn() throws Exception {
    Path launcher = home.resolve("fovea");
    Result first = run(launcher, "compare", "--data", "my images", "");
    Result second = run(launcher, "--version");

    assertThat(first.status()).isEqualTo(7);
    assertThat(first.out())
        .endsWith("[compare]\n[--data]\n[my images]\n[]\ntrim 268435456 spin 123\n");
    assertThat(first.out()).contains("[io.fovea.app.Fovea]\n");
    assertThat(first.err()).startsWith("fovea: building (once");
    assertThat(second.err()).doesNotContain("building");
    assertThat(second.out())
        .contains("[-cp]\n[" + home.toRealPath() + "/app/target/fovea-app.jar:lib/");
    assertThat(Files.readAllLines(home.resolve("built"))).hasSize(1);
  }

  /** Otherwise names of files outside ASCII would all be the same. */
  @Test
  @EnabledOnOs(OS.LINUX)
  void aLocaleWithoutAnEncodingBecomesUtf8() throws Exception {
    for (String none : List.of("", "C", "POSIX")) {
      locale = none;
      assertThat(run(home.resolve("fovea"), "doctor").out()).contains("locale C.UTF-8\n");
    }
    locale = "de_DE.UTF-8";
    assertThat(run(home.resolve("fovea"), "doctor").out()).contains("locale de_DE.UTF-8\n");
  }

  @Test
  void findsItsHomeBehindALink() throws Exception {
    Path link = temporary.resolve("link");
    Files.createSymbolicLink(link, home.resolve("fovea"));

    assertThat(run(link, "doctor").out())
        .contains("[" + home.toRealPath() + "/app/target/fovea-app.jar:");
  }

  @Test
  void archivesItsClassesOnceForAJava() throws Exception {
    Path launcher = home.resolve("fovea");
    Result first = run(launcher, "train");
    Path archive = home.toRealPath().resolve("app/target/fovea-java99.jsa");
    assertThat(archive).hasContent("classes");
    assertThat(first.err()).contains("fovea: preparing the classes for this Java (once)\n");
    assertThat(first.out())
        .contains("[-XX:SharedArchiveFile=" + archive + "]\n")
        .contains("[train]");

    Result second = run(launcher, "train");
    assertThat(second.err()).doesNotContain("preparing");
    assertThat(second.out()).isEqualTo(first.out());
  }

  /** What takes Java time at each start is left out. */
  @Test
  void tellsItsVersionAtOnce() throws Exception {
    Files.createDirectories(java);
    Files.writeString(java.resolve("release"), "MODULES=\"java.base jdk.incubator.vector\"\n");
    for (String option : List.of("--version", "-V")) {
      Result result = run(home.resolve("fovea"), option);
      assertThat(result.status()).isEqualTo(7);
      assertThat(result.out())
          .contains("[io.fovea.app.Fovea]\n[" + option + "]\n")
          .doesNotContain("jdk.incubator.vector")
          .doesNotContain("SharedArchiveFile");
      assertThat(result.err()).doesNotContain("preparing the classes");
    }
    assertThat(run(home.resolve("fovea"), "doctor", "--version").out())
        .contains("jdk.incubator.vector");
  }

  /** A release has no sources, so that there is nothing to build. */
  @Test
  void startsInAReleaseFromItsJars() throws Exception {
    Path launcher = temporary.resolve("fovea 1.2/bin/fovea");
    Files.createDirectories(launcher.getParent());
    Files.copy(home.resolve("fovea"), launcher);
    Path lib = Files.createDirectories(temporary.resolve("fovea 1.2/lib"));
    Files.createFile(lib.resolve("a.jar"));
    Files.createFile(lib.resolve("b.jar"));

    Result result = run(launcher, "doctor");
    assertThat(result.status()).isEqualTo(7);
    String libs = launcher.toRealPath().getParent() + "/../lib";
    assertThat(result.out()).contains("[-cp]\n[" + libs + "/a.jar:" + libs + "/b.jar]\n");
    assertThat(temporary.resolve("cache/fovea/fovea-java99.jsa")).hasContent("classes");
    assertThat(home.resolve("built")).doesNotExist();
  }

  @Test
  void aJavaHomeThatIsTooOldIsNamed() throws Exception {
    script(java.resolve("bin/java"), "echo 'openjdk version \"11.0.2\"' >&2");
    // the one on the path serves instead
    script(
        bin.resolve("java"),
        "if [ \"$1\" = -version ]; then echo 'openjdk version \"99.0.1\"' >&2; exit; fi",
        "echo served");

    Result result = run(home.resolve("fovea"), "doctor");
    assertThat(result.err())
        .startsWith(
            "fovea: JAVA_HOME is " + java + ", which is Java 11; looking for Java 17 or newer\n");
    assertThat(result.out()).isEqualTo("served\n");
  }

  @Test
  void buildsAgainWhatHasChanged() throws Exception {
    Path launcher = home.resolve("fovea");
    run(launcher, "doctor");
    Files.setLastModifiedTime(
        home.resolve("app/src/main/java/App.java"), FileTime.from(Instant.now().plusSeconds(60)));

    assertThat(run(launcher, "doctor").err()).contains("building");
    assertThat(Files.readAllLines(home.resolve("built"))).hasSize(2);
  }

  @Test
  void showsWhyABuildFailedAndTriesAgain() throws Exception {
    Path launcher = home.resolve("fovea");
    Path broken = write("broken", "");
    Result failed = run(launcher, "doctor");

    assertThat(failed.status()).isEqualTo(1);
    assertThat(failed.out()).isEmpty();
    assertThat(failed.err())
        .startsWith("fovea: building (once")
        .endsWith("App.java: not a class\nfovea: the build failed\n");
    Files.delete(broken);
    assertThat(run(launcher, "doctor").status()).isEqualTo(7);
  }

  /** The kernels need a module that not every Java has; without it, Java must still start. */
  @Test
  void asksForTheVectorModuleWhereItIs() throws Exception {
    Path launcher = home.resolve("fovea");
    assertThat(run(launcher, "doctor").out())
        .contains("[--enable-native-access=ALL-UNNAMED]\n")
        .doesNotContain("jdk.incubator.vector");

    Files.writeString(java.resolve("release"), "MODULES=\"java.base jdk.incubator.vector\"\n");
    Result with = run(launcher, "doctor");
    assertThat(with.out()).contains("[--add-modules]\n[jdk.incubator.vector]\n");
    // What Java itself says goes to a file, which Fovea repeats at its end.
    assertThat(with.err()).doesNotContain("said something");
    String option = "-Dfovea.jvm.stderr=";
    String said =
        with.out().lines().filter(line -> line.startsWith("[" + option)).findFirst().orElseThrow();
    assertThat(Path.of(said.substring(1 + option.length(), said.length() - 1)))
        .content()
        .contains("java of version said something");
  }

  @Test
  void studiesOnSparkHaveTheJarsOfSparkFirst() throws Exception {
    Path spark = Files.createDirectories(temporary.resolve("spark"));
    environment.put("SPARK_HOME", spark.toString());
    Result without = run(home.resolve("fovea"), "compare", "--on", "local[2]");
    assertThat(without.status()).isEqualTo(2);
    assertThat(without.err())
        .endsWith(
            "fovea: --on needs Apache Spark 4: set SPARK_HOME to its folder ("
                + spark
                + " has no jars/)\n");

    Files.createDirectories(spark.resolve("jars"));
    Result with = run(home.resolve("fovea"), "compare", "--on=local[2]");
    assertThat(with.out())
        .contains("[-cp]\n[" + spark + "/conf:" + spark + "/jars/*:" + home.toRealPath())
        .contains("/spark/target/fovea-spark-thin.jar]\n")
        .contains("[--add-opens]\n[java.base/java.nio=ALL-UNNAMED]\n")
        .doesNotContain("SharedArchiveFile");
    assertThat(Files.readString(home.resolve("built"))).contains("-pl app,spark -am");

    assertThat(run(home.resolve("fovea"), "compare").out()).doesNotContain("spark");
  }
}
