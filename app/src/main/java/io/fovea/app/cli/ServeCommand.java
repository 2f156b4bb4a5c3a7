package io.fovea.app.cli;

import io.fovea.app.console.ConsoleProgress;
import io.fovea.app.console.Interruption;
import io.fovea.app.serve.DemoImages;
import io.fovea.app.serve.Explorer;
import io.fovea.app.serve.Listening;
import io.fovea.errors.FoveaException;
import io.fovea.explain.LoadedRun;
import io.fovea.models.FusedNetwork;
import io.fovea.models.Network;
import io.fovea.training.run.Run;
import io.javalin.util.JavalinBindException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import picocli.CommandLine.ArgGroup;
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
      "Start the explorer, which shows in a browser what attention does to your images, and"
          + " its JSON API.",
      "",
      "Uploads are never stored. Ctrl-C stops the server."
    },
    footer = {
      "",
      "Examples:",
      "  fovea serve",
      "  fovea serve runs/resnet8-none-1 runs/resnet8-cbam-1   # side by side",
      "  fovea serve runs/segmentation-small-1                 # masks and their uncertainty",
      "  fovea serve --host 0.0.0.0 --token \"$TOKEN\" runs/resnet18-cbam-1",
      "  fovea serve --host 0.0.0.0 --certificate server.pem --key server.key runs/resnet18-cbam-1"
    })
public final class ServeCommand implements Callable<Integer> {
  private static final int RATE = 600;

  @Spec private CommandSpec spec;
  @Mixin private RunOptions runOptions;
  @Mixin private ThreadOptions threads;

  @Parameters(
      paramLabel = "RUN",
      arity = "0..*",
      description =
          "Folders of runs, written by fovea train or fovea import. Default: the newest in"
              + " runs/.")
  private List<Path> runs = List.of();

  @Option(
      names = "--host",
      paramLabel = "ADDRESS",
      defaultValue = "127.0.0.1",
      description =
          "Address to listen on. Any address other than localhost requires a token. Default:"
              + " ${DEFAULT-VALUE}.")
  private String host;

  @Option(
      names = "--port",
      paramLabel = "N",
      defaultValue = "8420",
      description = "Port to listen on; 0 for any free port. Default: ${DEFAULT-VALUE}.")
  private int port;

  @Option(
      names = "--token",
      paramLabel = "TOKEN",
      description =
          "Token that requests must send. Default: none on localhost; a random token, which"
              + " is printed, on other addresses.")
  private String token;

  @Option(
      names = "--max-upload",
      paramLabel = "MIB",
      defaultValue = "16",
      description = "Largest size of an image file in MiB. Default: ${DEFAULT-VALUE}.")
  private int maxUpload;

  @Option(
      names = "--max-pixels",
      paramLabel = "MEGAPIXELS",
      defaultValue = "25",
      description = "Largest size of an image in megapixels. Default: ${DEFAULT-VALUE}.")
  private int maxPixels;

  @Option(
      names = "--max-requests",
      paramLabel = "N",
      defaultValue = "8",
      description =
          "Largest number of requests that compute or wait. Further requests get 429 (try"
              + " again). Default: ${DEFAULT-VALUE}.")
  private int maxRequests;

  @Option(
      names = "--timeout",
      paramLabel = "SECONDS",
      defaultValue = "10",
      description = "Time limit of a request in seconds. Default: ${DEFAULT-VALUE}.")
  private int timeout;

  @ArgGroup(validate = false, heading = "%nOn a network:%n")
  private Access access = new Access();

  /** The options for a server that other machines can reach. */
  private static final class Access {
    @Option(
        names = "--certificate",
        paramLabel = "PEM",
        description = "Speak HTTPS with this certificate and its chain; needs --key.")
    private Path certificate;

    @Option(
        names = "--key",
        paramLabel = "PEM",
        description = "The private key of the certificate, not encrypted.")
    private Path key;

    @Option(
        names = "--rate",
        paramLabel = "N",
        description =
            "Largest number of requests from one address in a minute. Further requests get 429."
                + " Default: 600; any number on localhost.")
    private Integer rate;

    @Option(
        names = "--trust-proxy",
        description =
            "Take the address of the client and the host from the headers X-Forwarded-For and"
                + " X-Forwarded-Host of a proxy in front of the server. Requires a token.")
    private boolean trustProxy;

    @Option(
        names = "--path-prefix",
        paramLabel = "PATH",
        description =
            "Path under which a proxy publishes the server, such as /fovea. Default: none.")
    private String prefix = "";

    @Option(
        names = "--access-log",
        paramLabel = "FILE",
        description =
            "Append a line for each request to this file, in the format of web servers; - for the"
                + " error stream. Default: none.")
    private Path accessLog;

    Listening listening(String host, int port) {
      boolean open = trustProxy || !Listening.isLocal(host);
      return new Listening(
          host,
          port,
          prefix,
          certificate,
          key,
          trustProxy,
          rate != null ? rate : open ? RATE : 0,
          accessLog);
    }
  }

  @Override
  public Integer call() throws InterruptedException {
    check();
    threads.apply();
    Listening listening = access.listening(host, port);
    List<LoadedRun> loaded = load();
    String wanted = token != null || listening.isLocal() ? token : random();
    Explorer.Limits limits =
        new Explorer.Limits(
            (long) maxUpload << 20,
            maxPixels * 1_000_000L,
            maxRequests,
            Duration.ofSeconds(timeout));
    Explorer explorer;
    try {
      explorer =
          new Explorer(loaded, DemoImages.of(loaded.get(0).folder()), listening, wanted, limits);
    } catch (JavalinBindException e) {
      throw new FoveaException(
          "cannot listen on port "
              + port
              + " of "
              + host
              + ": the port is in use or not allowed; choose another with --port",
          e);
    }
    Interruption.exitOnInterrupt("Stopped.", explorer::close);
    explorer.warmUp();
    var out = spec.commandLine().getOut();
    out.println(
        (listening.isEncrypted() ? "https://" : "http://")
            + (host.contains(":") ? "[" + host + "]" : host)
            + ":"
            + explorer.port()
            + access.prefix
            + "/"
            + (wanted == null ? "" : "#token=" + wanted));
    out.println("Press Ctrl-C to stop the server.");
    out.flush();
    new CountDownLatch(1).await(); // runs until Ctrl-C
    return 0;
  }

  private void check() {
    DataOptions.atLeastOne("--max-upload", maxUpload);
    DataOptions.atLeastOne("--max-pixels", maxPixels);
    DataOptions.atLeastOne("--max-requests", maxRequests);
    DataOptions.atLeastOne("--timeout", timeout);
    if (maxUpload > 512) {
      throw new FoveaException("--max-upload must be at most 512, got " + maxUpload);
    }
    if (maxPixels > 100) {
      throw new FoveaException("--max-pixels must be at most 100, got " + maxPixels);
    }
    if (port < 0 || port > 65535) {
      throw new FoveaException("--port must be from 0 to 65535, got " + port);
    }
    if ((access.certificate == null) != (access.key == null)) {
      throw new FoveaException("--certificate and --key must be given together");
    }
    DataOptions.atLeastOne("--rate", access.rate);
    if (!access.prefix.matches("(/[A-Za-z0-9_.~-]+)*")) {
      throw new FoveaException(
          "--path-prefix: expected a path such as /fovea, got \"" + access.prefix + "\"");
    }
    checkAccessLog();
    if (token != null && !token.matches("[A-Za-z0-9_.~-]{8,200}")) {
      throw new FoveaException(
          "--token must have at least 8 characters from letters, digits and _.~-");
    }
  }

  private void checkAccessLog() {
    Path log = access.accessLog;
    if (log == null || log.toString().equals("-")) {
      return;
    }
    Path folder = log.toAbsolutePath().getParent();
    if (folder == null || !Files.isDirectory(folder)) {
      throw new FoveaException("--access-log " + log + ": there is no folder " + folder);
    }
    if (Files.isDirectory(log) || !Files.isWritable(folder)) {
      throw new FoveaException("--access-log " + log + ": no file can be written there");
    }
  }

  private List<LoadedRun> load() {
    List<LoadedRun> loaded = new ArrayList<>();
    try (ConsoleProgress progress = ConsoleProgress.standard()) {
      if (!runs.isEmpty() && runOptions.isGiven()) {
        throw new FoveaException("give runs either as arguments or with --run, not both");
      }
      if (runs.isEmpty()) {
        loaded.add(load(runOptions.find(null, null, progress), progress));
      }
      for (Path run : runs) {
        LoadedRun one = load(RunOptions.open(run, progress), progress);
        if (loaded.stream().anyMatch(other -> other.name().equals(one.name()))) {
          throw new FoveaException(
              run + ": another run has the name " + one.name() + "; names of runs must differ");
        }
        loaded.add(one);
      }
    }
    return loaded;
  }

  private <N extends Network> LoadedRun load(Run<N, ?> run, ConsoleProgress progress) {
    N network = run.load(runOptions.weights(run));
    runOptions.tell(run, progress);
    LoadedRun loaded = LoadedRun.of(run, network);
    if (run.preprocessing().size() == 0) {
      return loaded; // fused weights would be ordered anew for each size of an image
    }
    FusedNetwork fused = network.fuse(); // as long as the process
    return loaded.predictingBy(x -> fused.infer(() -> network.scores(x)));
  }

  private static String random() {
    byte[] bytes = new byte[18];
    new SecureRandom().nextBytes(bytes);
    return Base64.getUrlEncoder().withoutPadding().encodeToString(bytes);
  }
}
