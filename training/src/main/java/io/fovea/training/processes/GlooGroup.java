package io.fovea.training.processes;

import io.fovea.errors.FoveaException;
import io.fovea.tensor.Libtorch;
import io.fovea.tensor.compute.SyncedBatchNorm;
import java.io.IOException;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.function.Supplier;
import java.util.stream.IntStream;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.javacpp.chrono.Milliseconds;
import org.bytedeco.pytorch.BackendOptional;
import org.bytedeco.pytorch.GlooDeviceVector;
import org.bytedeco.pytorch.NoGradGuard;
import org.bytedeco.pytorch.ProcessGroup;
import org.bytedeco.pytorch.ProcessGroupGloo;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.TensorVector;
import org.bytedeco.pytorch.Work;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch_gloo;

/** Processes that are connected by libtorch's {@code ProcessGroupGloo}, over TCP. */
final class GlooGroup extends Group {
  /**
   * How long a sum waits for another process that is still connected. It may be reading images, or
   * downloading weights.
   */
  private static final Duration EXCHANGE = Duration.ofMinutes(30);

  private static final int CHUNK = 16 << 20;

  private static final List<Pointer> KEPT = new CopyOnWriteArrayList<>();

  private final Launch launch;
  private final ProcessGroupGloo gloo;
  private final ProcessGroup group; // the same for libtorch's Reducer
  private boolean syncedBatchNorms;

  private GlooGroup(Launch launch, ProcessGroupGloo gloo, ProcessGroup group) {
    this.launch = launch;
    this.gloo = gloo;
    this.group = group;
    keep(gloo);
    keep(group);
  }

  /**
   * Keeps an object as long as the process lives. The presets count the references to stores and
   * process groups one short when libtorch gets them, so that it would use them after their end.
   */
  static <P extends Pointer> P keep(P object) {
    object.retainReference();
    KEPT.add(object);
    return object;
  }

  static GlooGroup connect(Launch launch, Duration patience) {
    Libtorch.load();
    Loader.load(torch_gloo.class);
    try (PointerScope scope = new PointerScope()) {
      Meeting meeting = Meeting.of(launch, patience);
      ProcessGroupGloo.Options options = ProcessGroupGloo.Options.create(millis(EXCHANGE));
      GlooDeviceVector devices = new GlooDeviceVector();
      devices.push_back(
          ProcessGroupGloo.createDeviceForHostname(meeting.address().getHostAddress()));
      keep(options).devices(devices);
      ProcessGroupGloo gloo =
          new ProcessGroupGloo(meeting.store(), launch.rank(), launch.size(), options);
      ProcessGroup group = new ProcessGroup(launch.rank(), launch.size());
      group.setBackend(
          torch.DeviceType.CPU, ProcessGroup.BackendType.GLOO, new BackendOptional(gloo));
      group.setDefaultBackend(ProcessGroup.BackendType.GLOO);
      return new GlooGroup(launch, gloo, group);
    } catch (RuntimeException e) {
      throw e instanceof FoveaException
          ? e
          : new LostProcessException(
              "the processes of this training cannot connect: " + firstLine(e), e);
    }
  }

  static Milliseconds millis(Duration duration) {
    return new Milliseconds(duration.toMillis());
  }

  @Override
  public int rank() {
    return launch.rank();
  }

  @Override
  public int size() {
    return launch.size();
  }

  @Override
  public boolean hasSyncedBatchNorms() {
    return syncedBatchNorms;
  }

  @Override
  public void setSyncedBatchNorms(boolean all) {
    syncedBatchNorms = all;
  }

  @Override
  public <T> T forward(Supplier<T> pass) {
    return syncedBatchNorms ? SyncedBatchNorm.in(this::sum, pass) : pass.get();
  }

  @Override
  public Sum sum(double... own) {
    Tensor sums = Tensor.create(own);
    Work work = gloo.allreduce(new TensorVector(sums));
    return () -> {
      await(work);
      double[] result = new double[own.length];
      sums.<DoubleBuffer>createBuffer().get(result);
      return result;
    };
  }

  @Override
  public void sum(Tensor own) {
    await(gloo.allreduce(new TensorVector(own)));
  }

  private void await(Work work) {
    try {
      work._wait();
    } catch (RuntimeException e) {
      throw explained(e);
    }
  }

  @Override
  public void copyFirst(Iterable<Tensor> tensors) {
    Map<torch.ScalarType, List<Tensor>> byType = new LinkedHashMap<>();
    tensors.forEach(
        tensor ->
            byType
                .computeIfAbsent(tensor.scalar_type().intern(), any -> new ArrayList<>())
                .add(tensor));
    try (PointerScope scope = new PointerScope();
        NoGradGuard guard = new NoGradGuard()) {
      byType.forEach((type, alike) -> copyFirst(alike));
    }
  }

  private void copyFirst(List<Tensor> alike) {
    Tensor all =
        torch.cat(
            new TensorVector(
                alike.stream().map(t -> t.detach().reshape(-1)).toArray(Tensor[]::new)));
    broadcast(all);
    long at = 0;
    for (Tensor tensor : alike) {
      if (!isFirst()) {
        tensor.copy_(all.narrow(0, at, tensor.numel()).view(tensor.shape()));
      }
      at += tensor.numel();
    }
  }

  private void broadcast(Tensor tensor) {
    await(gloo.broadcast(new TensorVector(tensor)));
  }

  private static Tensor bytes(int count) {
    return torch.zeros(new long[] {count}, new TensorOptions(torch.ScalarType.Byte));
  }

  @Override
  public String first(String own) {
    try (PointerScope scope = new PointerScope()) {
      byte[] text = isFirst() ? own.getBytes(StandardCharsets.UTF_8) : new byte[0];
      byte[] received = new byte[(int) first((double) text.length)];
      if (received.length == 0) {
        return "";
      }
      Tensor tensor = bytes(received.length);
      if (isFirst()) {
        tensor.<ByteBuffer>createBuffer().put(text);
      }
      broadcast(tensor);
      tensor.<ByteBuffer>createBuffer().get(received);
      return new String(received, StandardCharsets.UTF_8);
    }
  }

  @Override
  public boolean first(Path own, Path copy) {
    try (PointerScope scope = new PointerScope()) {
      long length = (long) first(isFirst() && own != null ? Files.size(own) : -1.0);
      if (length < 0) {
        return false;
      }
      try (FileChannel in = isFirst() ? FileChannel.open(own) : null;
          OutputStream out = isFirst() ? null : Files.newOutputStream(copy)) {
        for (long at = 0; at < length; at += CHUNK) {
          try (PointerScope chunk = new PointerScope()) {
            Tensor tensor = bytes((int) Math.min(CHUNK, length - at));
            ByteBuffer buffer = tensor.createBuffer();
            while (in != null && buffer.hasRemaining() && in.read(buffer) >= 0) {
              // until the chunk is full
            }
            broadcast(tensor);
            if (out != null) {
              byte[] received = new byte[buffer.remaining()];
              tensor.<ByteBuffer>createBuffer().get(received);
              out.write(received);
            }
          }
        }
      }
      return true;
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public List<Tensor> all(Tensor own) {
    Tensor rows =
        torch.zeros(new long[] {size(), own.numel()}, new TensorOptions(own.scalar_type()));
    rows.select(0, rank()).copy_(own.reshape(-1));
    sum(rows);
    return IntStream.range(0, size())
        .mapToObj(rank -> rows.select(0, rank).reshape(own.shape()).clone())
        .toList();
  }

  @Override
  public Gradients gradients(Map<String, Tensor> parameters) {
    return new ReducedGradients(group, new ArrayList<>(parameters.values()));
  }

  @Override
  public RuntimeException explained(RuntimeException exception) {
    // libtorch's errors have no class of their own, and some are wrapped by its engine
    boolean lost =
        exception.getClass() == RuntimeException.class
            && String.valueOf(exception.getMessage())
                .matches("(?s).*(gloo/|Gloo|Connection (closed|reset)|ProcessGroup|timed? ?out).*");
    return lost
        ? new LostProcessException(
            "process "
                + rank()
                + " of "
                + size()
                + ": another process of this training ended or cannot be reached any more ("
                + firstLine(exception)
                + ")",
            exception)
        : exception;
  }

  /** What happened, without the place in libtorch's code. */
  static String firstLine(RuntimeException exception) {
    String message = String.valueOf(exception.getMessage());
    return message
        .lines()
        .findFirst()
        .orElse("")
        .replaceAll("^\\[[^\\]]*\\.(cc|cpp|h):\\d+\\] *", "")
        .strip();
  }
}
