package io.fovea.training;

import io.fovea.models.weights.WeightsException;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.ArchiveWriter;
import org.bytedeco.pytorch.IValue;
import org.bytedeco.pytorch.InputArchive;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.OutputArchive;
import org.bytedeco.pytorch.StringVector;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;

/**
 * The state of libtorch's optimisers as tensors by name: {@code layer1.0.conv1.weight/exp_avg}. The
 * presets do not give access to the state, but an optimiser writes it into an archive, where the
 * key of a parameter is its address. The archives stay in memory; files hold the tensors alone, so
 * that nothing of libtorch's pickles is read from a file.
 */
final class OptimizerState {
  private static final String STATE = "state";
  private static final String GROUPS = "param_groups";
  private static final String VERSION = "pytorch_version";
  private static final String ARCHIVE_VERSION = "1.5.0"; // libtorch's, for this kind of archive
  private static final char SEPARATOR = '/';

  /** More memory than libtorch itself takes to write an archive of any network. */
  private static final long RESERVE = 16 << 20;

  private OptimizerState() {}

  /**
   * Reads the state of an optimiser.
   *
   * @param parameters the parameters of the optimiser by name, and maybe others
   * @return the tensors {@code NAME/KIND} of the open scope; counters are int64 {@code []}.
   *     Parameters without a gradient have none.
   */
  static Map<String, Tensor> of(Optimizer optimizer, Map<String, Tensor> parameters) {
    InputArchive state = inside(read(optimizer), STATE);
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    parameters.forEach(
        (name, parameter) -> {
          InputArchive own = new InputArchive();
          if (state.try_read(key(parameter), own)) {
            StringVector kinds = own.keys();
            for (long i = 0; i < kinds.size(); i++) {
              String kind = kinds.get(i).getString();
              IValue value = new IValue();
              own.read(kind, value);
              tensors.put(
                  name + SEPARATOR + kind,
                  value.isTensor() ? value.toTensor() : Tensor.create(value.toInt()).squeeze());
            }
          }
        });
    return tensors;
  }

  /**
   * Replaces the state of an optimiser.
   *
   * @param parameters as for {@link #of}
   * @param tensors what {@link #of} returned
   * @throws WeightsException if a tensor has another shape than its parameter; then nothing has
   *     changed
   */
  static void load(
      Optimizer optimizer, Map<String, Tensor> parameters, Map<String, Tensor> tensors) {
    try (PointerScope scope = new PointerScope()) {
      OutputArchive archive = new OutputArchive();
      archive.write(VERSION, new IValue(ARCHIVE_VERSION));
      OutputArchive state = new OutputArchive(archive.compilation_unit());
      parameters.forEach(
          (name, parameter) -> {
            OutputArchive own = new OutputArchive(archive.compilation_unit());
            boolean any = false;
            for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
              if (entry.getKey().startsWith(name + SEPARATOR)) {
                String kind = entry.getKey().substring(name.length() + 1);
                own.write(kind, value(entry.getKey(), entry.getValue(), parameter));
                any = true;
              }
            }
            if (any) {
              state.write(key(parameter), own);
            }
          });
      archive.write(STATE, state);
      IValue groups = new IValue();
      read(optimizer).read(GROUPS, groups); // the groups and options stay as they are
      archive.write(GROUPS, groups);
      optimizer.load(open(archive));
    }
  }

  private static IValue value(String name, Tensor tensor, Tensor parameter) {
    if (tensor.scalar_type().intern() == torch.ScalarType.Long) {
      return new IValue(tensor.item_long());
    }
    if (!Arrays.equals(tensor.shape(), parameter.shape())) {
      throw new WeightsException(
          name
              + " has shape "
              + Arrays.toString(tensor.shape())
              + ", expected "
              + Arrays.toString(parameter.shape()));
    }
    return new IValue(tensor.clone());
  }

  private static String key(Tensor parameter) {
    return Long.toUnsignedString(parameter.unsafeGetTensorImpl().address());
  }

  private static InputArchive read(Optimizer optimizer) {
    OutputArchive archive = new OutputArchive();
    optimizer.save(archive);
    return open(archive);
  }

  private static InputArchive inside(InputArchive archive, String key) {
    InputArchive inside = new InputArchive();
    archive.read(key, inside);
    return inside;
  }

  /**
   * Reads an archive by way of native memory. The memory is taken before libtorch writes, because
   * an exception that reaches its writer of archives ends the process.
   *
   * @throws RuntimeException from libtorch if there is not enough memory
   */
  private static InputArchive open(OutputArchive archive) {
    InputArchive read = new InputArchive();
    try (PointerScope scope = new PointerScope();
        Block counted = new Block(null, 0)) {
      archive.save_to(counted);
      memory(counted.size + RESERVE).close();
      BytePointer bytes = new BytePointer(memory(counted.size).data_ptr());
      try (Block written = new Block(bytes, counted.size)) {
        archive.save_to(written);
        if (written.size != counted.size) {
          throw new IllegalStateException(
              "the optimiser wrote " + written.size + " bytes, expected " + counted.size);
        }
      }
      read.load_from(bytes.position(0), counted.size);
    }
    return read;
  }

  private static Tensor memory(long bytes) {
    return torch.empty(new long[] {bytes}, new TensorOptions(torch.ScalarType.Byte), null);
  }

  /** Receives an archive: counts its bytes, and copies them if there is memory for them. */
  private static final class Block extends ArchiveWriter {
    private final BytePointer bytes;
    private final long room;
    private long size;

    /**
     * A block that only counts, or copies.
     *
     * @param bytes where the bytes are copied, or null
     * @param room the number of bytes for which there is room
     */
    Block(BytePointer bytes, long room) {
      this.bytes = bytes;
      this.room = room;
    }

    @Override
    public long call(Pointer data, long count) {
      if (bytes != null && size + count <= room) { // the rest is counted; nothing is thrown
        Pointer.memcpy(bytes.position(size), data, count);
      }
      size += count;
      return count;
    }
  }
}
