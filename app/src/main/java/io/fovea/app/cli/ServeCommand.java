package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.Interruption;
import io.fovea.app.serve.DemoImages;
import io.fovea.app.serve.Explorer;
import io.fovea.app.serve.LoadedRun;
import io.fovea.errors.FoveaException;
import io.fovea.training.Tasks;
import io.fovea.training.run.Run;
import io.javalin.util.JavalinBindException;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code fovea serve}: starts the explorer. */
@Command(
    name = "serve",
    description = {
      "Look at what attention does in a browser: a page on this machine, and its JSON API.",
      "",
      "Nothing that is uploaded is kept. Ctrl-C stops it."
    },
    footer = {
      "",
      "Examples:",
      "  fovea serve",
      "  fovea serve runs/resnet8-none-1 runs/resnet8-cbam-1   # side by side",
      "  fovea serve --host 0.0.0.0 --token \"$TOKEN\" runs/resnet18-cbam-1"
    })
public final class ServeCommand implements Callable<Integer> {
  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private ThreadOptions threads;

  @Parameters(
      paramLabel = "RUN",
      arity = "0..*",
      description = "Folders that fovea train or fovea import wrote. Default: the newest in runs/.")
  private List<Path> runs = List.of();

  @Option(
      names = "--host",
      paramLabel = "ADDRESS",
      defaultValue = "127.0.0.1",
      description =
          "The address to listen on. Others than this machine's own need a token."
              + " Default: ${DEFAULT-VALUE}.")
  private String host;

  @Option(
      names = "--port",
      paramLabel = "N",
      defaultValue = "8420",
      description = "The port, 0 for any that is free. Default: ${DEFAULT-VALUE}.")
  private int port;

  @Option(
      names = "--token",
      paramLabel = "TOKEN",
      description =
          "What requests must bring. Default: none on this machine's own address, else one that is"
              + " made up and printed.")
  private String token;

  @Option(
      names = "--max-upload",
      paramLabel = "MIB",
      defaultValue = "16",
      description = "The most mebibytes of an image file. Default: ${DEFAULT-VALUE}.")
  private int maxUpload;

  @Option(
      names = "--max-pixels",
      paramLabel = "MEGAPIXELS",
      defaultValue = "25",
      description = "The most megapixels of an image. Default: ${DEFAULT-VALUE}.")
  private int maxPixels;

  @Option(
      names = "--max-requests",
      paramLabel = "N",
      defaultValue = "8",
      description =
          "How many requests may compute or wait for it; more are told to try again."
              + " Default: ${DEFAULT-VALUE}.")
  private int maxRequests;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "10",
      description = "The longest that a request may take. Default: ${DEFAULT-VALUE}.")
  private int timeout;

  @Override
  public Integer call() throws InterruptedException {
    check();
    threads.apply();
    List<LoadedRun> loaded = load();
    String wanted = token != null || Explorer.isLocal(host) ? token : random();
    Explorer.Limits limits =
        new Explorer.Limits(
            (long) maxUpload << 20,
            maxPixels * 1_000_000L,
            maxRequests,
            Duration.ofSeconds(timeout));
    Explorer explorer;
    try {
      explorer =
          new Explorer(loaded, DemoImages.of(loaded.get(0).folder()), host, port, wanted, limits);
    } catch (JavalinBindException e) {
      throw new FoveaException(
          "port "
              + port
              + " of "
              + host
              + " cannot be listened on: it is taken or not allowed;"
              + " choose another with --port",
          e);
    }
    Interruption.exitOnInterrupt("Stopped.", explorer::close);
    explorer.warmUp();
    var out = spec.commandLine().getOut();
    out.println(
        "http://"
            + (host.contains(":") ? "[" + host + "]" : host)
            + ":"
            + explorer.port()
            + "/"
            + (wanted == null ? "" : "#token=" + wanted));
    out.println("Ctrl-C stops it.");
    out.flush();
    new CountDownLatch(1).await(); // runs until Ctrl-C
    return 0;
  }

  private void check() {
    atLeastOne("--max-upload", maxUpload);
    atLeastOne("--max-pixels", maxPixels);
    atLeastOne("--max-requests", maxRequests);
    atLeastOne("--timeout", timeout);
    if (maxUpload > 512) {
      throw new FoveaException("--max-upload must be at most 512, got " + maxUpload);
    }
    if (maxPixels > 100) {
      throw new FoveaException("--max-pixels must be at most 100, got " + maxPixels);
    }
    if (port < 0 || port > 65535) {
      throw new FoveaException("--port must be from 0 to 65535, got " + port);
    }
    if (token != null && !token.matches("[A-Za-z0-9_.~-]{8,200}")) {
      throw new FoveaException("--token must have at least 8 letters, digits, or any of _.~-");
    }
  }

  private static void atLeastOne(String option, int value) {
    if (value < 1) {
      throw new FoveaException(option + " must be at least 1, got " + value);
    }
  }

  private List<LoadedRun> load() {
    List<LoadedRun> loaded = new ArrayList<>();
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      if (!runs.isEmpty() && runOptions.isGiven()) {
        throw new FoveaException("give the runs as arguments or one with --run, not both");
      }
      if (runs.isEmpty()) {
        Run<?, ?> newest = runOptions.find(null, Tasks.CLASSIFICATION, progress);
        loaded.add(LoadedRun.of(newest, runOptions.weights()));
      }
      for (Path run : runs) {
        LoadedRun one = LoadedRun.of(Run.open(run), runOptions.weights());
        if (loaded.stream().anyMatch(other -> other.name().equals(one.name()))) {
          throw new FoveaException(
              run + ": another run is called " + one.name() + "; names must differ");
        }
        loaded.add(one);
      }
    }
    return loaded;
  }

  private static String random() {
    byte[] bytes = new byte[18];
    new SecureRandom().nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }
}
