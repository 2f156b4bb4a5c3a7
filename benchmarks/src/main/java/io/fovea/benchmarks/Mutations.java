package io.fovea.benchmarks;

import com.fasterxml.jackson.databind.node.ObjectNode;
import com.sun.management.OperatingSystemMXBean;
import io.fovea.errors.FoveaException;
import io.fovea.tensor.Threads;
import io.fovea.training.run.BuildInfo;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.concurrent.TimeUnit;

/**
 * Damages files of every kind that Fovea reads, reads them, and counts what comes of it. Each kind is
 * read in a process of its own, which a watchdog ends if one file takes more processor time or memory
 * than its size allows. The counts of earlier runs are added to, with other damage.
 *
 * <pre>
 * java -cp ... io.fovea.benchmarks.Mutations PROJECT FOLDER RESULT.json SECONDS [KIND...]
 * </pre>
 *
 * <p>Each kind gets an equal share of the time. Files that are not read or refused as they should be
 * are kept in {@code FOLDER/findings} with the reason.
 */
public final class Mutations {
  /** What comes of reading a damaged file. The last four are faults. */
  enum Outcome {
    /** Read: the damage was harmless, or makes another whole file. */
    READ,
    /** Refused with a message. */
    REFUSED,
    /** Another exception, a status of 1 or a stack trace. */
    WRONG,
    /** More processor time than the size allows. */
    SLOW,
    /** More memory than the size allows. */
    GREEDY,
    /** The process ended. */
    DIED
  }

  /** The status of a process that the watchdog ended. */
  private static final int STATUS_SLOW = 40;

  private static final int STATUS_GREEDY = 41;

  /** The status of a process in which something else failed than the reading of a file. */
  private static final int STATUS_FAILED = 42;

  /** Processor time for any file; the machine may be busy, which does not count. */
  private static final long SECONDS_OF_ALL = 10;

  private static final long SECONDS_A_MEGABYTE = 60;
  private static final long SECONDS_WITHOUT_PROGRESS = 300; // for one that waits

  private static final long MEGABYTES_OF_ALL = 400;
  private static final long MEGABYTES_A_MEGABYTE = 40;
  private static final long MEGABYTE = 1L << 20;
  private static final long WATCH_MILLIS = 20;
  private static final int MOST_FINDINGS = 20; // of one reason

  private Mutations() {}

  /** The table of all kinds; see the description of the class. */
  public static void main(String[] arguments) throws Exception {
    if (arguments[0].equals("--worker")) {
      int status = 0;
      try {
        new Worker(
                FileKind.valueOf(arguments[1]),
                Path.of(arguments[2]),
                Path.of(arguments[3]),
                Long.parseLong(arguments[4]),
                Long.parseLong(arguments[5]))
            .run();
      } catch (IOException | RuntimeException | Error e) {
        e.printStackTrace();
        status = STATUS_FAILED;
      }
      Runtime.getRuntime().halt(status);
    }
    Path project = Path.of(arguments[0]);
    Path folder = Files.createDirectories(Path.of(arguments[1]));
    Path result = Path.of(arguments[2]);
    List<FileKind> kinds = new ArrayList<>();
    for (int i = 4; i < arguments.length; i++) {
      kinds.add(FileKind.valueOf(arguments[i].toUpperCase(Locale.ROOT)));
    }
    if (kinds.isEmpty()) {
      kinds = List.of(FileKind.values());
    }
    prepare(project, folder);
    long seconds = Long.parseLong(arguments[3]) / kinds.size();
    for (FileKind kind : kinds) {
      Counts counts = Counts.read(result, kind);
      mutate(kind, project, folder, counts, seconds);
      counts.write(result, kind);
      System.out.println(counts.line(kind));
    }
  }

  /** What a kind came to so far. */
  private static final class Counts {
    private final Map<Outcome, Long> counts = new EnumMap<>(Outcome.class);

    static Counts read(Path result, FileKind kind) {
      Counts counts = new Counts();
      ObjectNode there =
          Files.exists(result)
              ? Json.read(result, ObjectNode.class)
              : Json.MAPPER.createObjectNode();
      for (Outcome outcome : Outcome.values()) {
        counts.counts.put(
            outcome, there.path("kinds").path(name(kind)).path(name(outcome)).asLong());
      }
      return counts;
    }

    long all() {
      return counts.values().stream().mapToLong(Long::longValue).sum();
    }

    void add(Outcome outcome, long more) {
      counts.merge(outcome, more, Long::sum);
    }

    void write(Path result, FileKind kind) throws IOException {
      ObjectNode all =
          Files.exists(result)
              ? Json.read(result, ObjectNode.class)
              : Json.MAPPER.createObjectNode();
      all.put("date", LocalDate.now(ZoneOffset.UTC).toString());
      all.put("fovea", BuildInfo.version());
      all.put(
          "limits",
          SECONDS_OF_ALL
              + " s of processor time and "
              + SECONDS_A_MEGABYTE
              + " s a MB; "
              + MEGABYTES_OF_ALL
              + " MB and "
              + MEGABYTES_A_MEGABYTE
              + " MB a MB; a Java heap of 256 MB");
      ObjectNode own = all.withObject("/kinds").withObject("/" + name(kind));
      counts.forEach((outcome, count) -> own.put(name(outcome), count));
      long files = 0;
      for (var each : all.path("kinds")) {
        for (Outcome outcome : Outcome.values()) {
          files += each.path(name(outcome)).asLong();
        }
      }
      all.put("files", files);
      Json.write(result, all);
    }

    String line(FileKind kind) {
      StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "%-16s", name(kind)));
      counts.forEach(
          (outcome, count) ->
              line.append(String.format(Locale.ROOT, " %s %7d", name(outcome), count)));
      return line.toString();
    }

    private static String name(Enum<?> value) {
      return value.name().toLowerCase(Locale.ROOT);
    }
  }

  /** Trains, exports and compares what the damaged files are copies of. */
  static void prepare(Path project, Path folder) throws IOException {
    Path made = folder.resolve("made");
    if (Files.exists(made.resolve("ready"))) {
      return;
    }
    FileKind.delete(made);
    Files.createDirectories(made);
    Threads.set(1);
    FileKind.command("sample", made.resolve("samples").toString());
    String images = made.resolve("samples/garments").toString();
    FileKind.command(
        "train",
        "--data",
        images,
        "--backbone",
        "resnet8",
        "--width",
        "0.25",
        "--attention",
        "eca",
        "--epochs",
        "2",
        "--threads",
        "1",
        "--no-tensorboard",
        "--out",
        made.resolve("run").toString());
    FileKind.command(
        "train",
        "--task",
        "segmentation",
        "--data",
        made.resolve("samples/scenes").toString(),
        "--epochs",
        "1",
        "--threads",
        "1",
        "--no-tensorboard",
        "--out",
        made.resolve("segmenter").toString());
    FileKind.command(
        "export", made.resolve("run").toString(), "--out", made.resolve("run.onnx").toString());
    FileKind.copy(made.resolve("samples/garments/val"), made.resolve("few"));
    FileKind.command(study(made.resolve("study")));
    FileKind.command(search(made.resolve("search")));
    FileKind.writeIdx(made.resolve("idx"));
    FileKind.writeCoco(made.resolve("coco"), made.resolve("samples/boot.png"));
    Files.createFile(made.resolve("ready"));
  }

  /** A comparison of two small networks, into a folder. */
  static String[] study(Path folder) {
    return small(folder, "compare", "--modules", "none,eca", "--seeds", "1,2", "--epochs", "1");
  }

  /** A search among two small networks, into a folder. */
  static String[] search(Path folder) {
    return small(
        folder,
        "search",
        "--modules",
        "eca,simam",
        "--budget",
        "16epochs",
        "--epochs",
        "2",
        "--eta",
        "2",
        "--finalists",
        "1");
  }

  /** A command with small networks on one thread, into a folder. */
  private static String[] small(Path folder, String... words) {
    String garments = folder.resolveSibling("samples/garments").toString();
    List<String> command = new ArrayList<>(List.of(words));
    command.addAll(List.of("--data", garments, "--backbone", "resnet8", "--width", "0.25"));
    command.addAll(List.of("--threads", "1", "--out", folder.toString()));
    return command.toArray(String[]::new);
  }

  /** Reads damaged files of a kind for some time. */
  private static void mutate(FileKind kind, Path project, Path folder, Counts counts, long seconds)
      throws IOException, InterruptedException {
    long left = seconds;
    long next = counts.all();
    int status = -1;
    while (status != 0 && left > 0) {
      long begin = System.nanoTime();
      Progress progress = new Progress(folder.resolve("progress"), true);
      status = worker(kind, project, folder, next, left);
      left -= TimeUnit.NANOSECONDS.toSeconds(System.nanoTime() - begin);
      for (Outcome outcome : Outcome.values()) {
        counts.add(outcome, progress.count(outcome));
        next += progress.count(outcome);
      }
      if (status == STATUS_FAILED || (status != 0 && !progress.hasBegun())) {
        throw new IllegalStateException(
            kind + ": the program itself fails; see " + folder.resolve("worker.log"));
      }
      if (status != 0) {
        Outcome outcome =
            status == STATUS_SLOW
                ? Outcome.SLOW
                : status == STATUS_GREEDY ? Outcome.GREEDY : Outcome.DIED;
        counts.add(outcome, 1);
        keep(folder, kind, next, outcome + ", status " + status);
        next++;
      }
    }
  }

  private static int worker(FileKind kind, Path project, Path folder, long first, long seconds)
      throws IOException, InterruptedException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xms256m",
                "-Xmx256m",
                "-XX:+AlwaysPreTouch", // so that the memory of the process grows by what is native
                "-XX:+UseSerialGC",
                "-XX:ErrorFile=" + folder.resolve("crash.log"),
                "-Djava.awt.headless=true",
                "-Dorg.bytedeco.javacpp.maxPhysicalBytes=0",
                "-cp",
                System.getProperty("java.class.path")));
    command.addAll(
        List.of(
            Mutations.class.getName(),
            "--worker",
            kind.name(),
            project.toString(),
            folder.toString(),
            Long.toString(first),
            Long.toString(seconds)));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(folder.resolve("worker.log").toFile())
        .start()
        .waitFor();
  }

  private static Path input(Path folder, FileKind kind) {
    return folder.resolve("input" + kind.extension());
  }

  private static void keep(Path folder, FileKind kind, long index, String reason)
      throws IOException {
    Path findings = Files.createDirectories(folder.resolve("findings"));
    String name = kind.name().toLowerCase(Locale.ROOT) + "-" + index;
    if (Files.exists(input(folder, kind))) {
      Files.copy(
          input(folder, kind),
          findings.resolve(name + kind.extension()),
          StandardCopyOption.REPLACE_EXISTING);
    }
    Files.writeString(findings.resolve(name + ".reason.txt"), reason);
    System.out.println(name + ": " + reason.lines().findFirst().orElse(""));
  }

  /** The counts of a process in memory that outlives it. */
  private static final class Progress {
    private static final int BEGUN = Outcome.values().length;

    private final MappedByteBuffer memory;

    Progress(Path file, boolean fresh) throws IOException {
      try (FileChannel channel =
          FileChannel.open(
              file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
        memory = channel.map(FileChannel.MapMode.READ_WRITE, 0, 8L * (BEGUN + 1));
      }
      if (fresh) {
        for (int i = 0; i <= BEGUN; i++) {
          memory.putLong(8 * i, 0);
        }
      }
    }

    void begin() {
      memory.putLong(8 * BEGUN, 1);
    }

    boolean hasBegun() {
      return memory.getLong(8 * BEGUN) != 0;
    }

    private static int place(Outcome outcome) {
      return 8 * List.of(Outcome.values()).indexOf(outcome);
    }

    long count(Outcome outcome) {
      return memory.getLong(place(outcome));
    }

    void add(Outcome outcome) {
      memory.putLong(place(outcome), count(outcome) + 1);
    }
  }

  /** Reads files of one kind, one after the other, watched. */
  private static final class Worker {
    private final FileKind kind;
    private final Path folder;
    private final Path made;
    private final long first;
    private final long seconds;
    private final List<byte[]> originals;
    private final Progress progress;
    private final Map<String, Integer> reasons = new TreeMap<>();
    private final OperatingSystemMXBean system =
        (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    // of the file that is being read
    private volatile long size = -1;
    private volatile long beganNanos;
    private volatile long beganProcessor;
    private volatile long beganMemory;

    Worker(FileKind kind, Path project, Path folder, long first, long seconds) throws IOException {
      this.kind = kind;
      this.folder = folder;
      this.first = first;
      made = folder.resolve("made");
      this.seconds = seconds;
      Threads.set(1);
      originals = kind.originals(project, made);
      progress = new Progress(folder.resolve("progress"), false);
    }

    void run() throws IOException {
      warmUp();
      progress.begin();
      Thread watchdog = new Thread(this::watch, "watchdog");
      watchdog.setDaemon(true);
      watchdog.start();
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(seconds); // after the start of Java
      for (long index = first; System.nanoTime() < end; index++) {
        Random random = new Random(31 * index + kind.name().hashCode());
        byte[] original = originals.get((int) (index % originals.size()));
        byte[] other = originals.get(random.nextInt(originals.size()));
        byte[] bytes = kind.damaged(original, other, random);
        Path file = Files.write(input(folder, kind), bytes);
        begin(bytes.length);
        Outcome outcome = outcome(file, index);
        size = -1;
        progress.add(outcome);
      }
    }

    /** Reads each whole file, so that classes and libraries are loaded before anything is measured. */
    private void warmUp() throws IOException {
      for (byte[] original : originals) {
        Path file = Files.write(input(folder, kind), original);
        try {
          kind.read(file, made);
        } catch (IOException | FoveaException e) {
          // some whole files are refused, too
        }
      }
    }

    private void begin(int length) throws IOException {
      beganNanos = System.nanoTime();
      beganProcessor = system.getProcessCpuTime();
      beganMemory = memory();
      size = length;
    }

    private Outcome outcome(Path file, long index) throws IOException {
      try {
        kind.read(file, made);
        return Outcome.READ;
      } catch (IOException | UncheckedIOException | FoveaException e) {
        return Outcome.REFUSED;
      } catch (RuntimeException | Error e) {
        size = -1;
        StringWriter trace = new StringWriter();
        e.printStackTrace(new PrintWriter(trace));
        String reason = trace.toString();
        String where = reason.lines().limit(4).toList().toString().replaceAll("[0-9]+", "0");
        if (reasons.merge(where, 1, Integer::sum) <= MOST_FINDINGS) {
          keep(folder, kind, index, reason);
        }
        return Outcome.WRONG;
      }
    }

    private void watch() {
      while (true) {
        try {
          Thread.sleep(WATCH_MILLIS);
          long bytes = size;
          if (bytes >= 0) {
            long megabytes = bytes / MEGABYTE;
            long processor = system.getProcessCpuTime() - beganProcessor;
            long wall = System.nanoTime() - beganNanos;
            long allowed = SECONDS_OF_ALL + SECONDS_A_MEGABYTE * megabytes;
            long grown = memory() - beganMemory;
            long largest = (MEGABYTES_OF_ALL + MEGABYTES_A_MEGABYTE * megabytes) * MEGABYTE;
            boolean same = size == bytes; // otherwise the next file has begun meanwhile
            if (same && grown > largest) {
              end(STATUS_GREEDY);
            }
            if (same
                && (processor > TimeUnit.SECONDS.toNanos(allowed)
                    || wall > TimeUnit.SECONDS.toNanos(SECONDS_WITHOUT_PROGRESS))) {
              end(STATUS_SLOW);
            }
          }
        } catch (InterruptedException | IOException e) {
          return;
        }
      }
    }

    private static void end(int status) {
      for (Map.Entry<Thread, StackTraceElement[]> each : Thread.getAllStackTraces().entrySet()) {
        System.out.println(each.getKey());
        for (StackTraceElement frame : each.getValue()) {
          System.out.println("\tat " + frame);
        }
      }
      System.out.flush();
      Runtime.getRuntime().halt(status);
    }

    /** The resident memory of this process in bytes. */
    private static long memory() throws IOException {
      String pages = Files.readString(Path.of("/proc/self/statm")).split(" ")[1];
      return 4096 * Long.parseLong(pages);
    }
  }
}
