package io.fovea.models.weights.internal;

import io.fovea.models.weights.internal.Pickle.Global;
import io.fovea.models.weights.internal.Pickle.Refused;
import io.fovea.models.weights.internal.Pickle.Tuple;
import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.zip.ZipEntry;
import java.util.zip.ZipException;
import java.util.zip.ZipFile;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.pytorch.LongOptional;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Reads the files of {@code torch.save} in both formats.
 *
 * <ul>
 *   <li>Since PyTorch 1.6 an uncompressed zip file: {@code NAME/data.pkl} is a pickle of the object
 *       in which each tensor is a view of a storage, and {@code NAME/data/KEY} are the bytes of
 *       the storages.
 *   <li>Before that, five pickles one after the other (a magic number, a version, properties of the
 *       machine, the object, the keys of the storages), followed by the length and the bytes of
 *       each storage.
 * </ul>
 *
 * <p>Each storage is read once, and only if it is needed. Allocations are bounded by the length of
 * the file.
 */
public final class TorchFile {
  private static final BigInteger MAGIC = new BigInteger("1950a86a20f9469cfc6c", 16);
  private static final long LEGACY_PROTOCOL = 1001;
  private static final Map<String, ScalarType> STORAGES =
      Map.of(
          "DoubleStorage", ScalarType.Double,
          "FloatStorage", ScalarType.Float,
          "HalfStorage", ScalarType.Half,
          "BFloat16Storage", ScalarType.BFloat16,
          "LongStorage", ScalarType.Long,
          "IntStorage", ScalarType.Int,
          "ShortStorage", ScalarType.Short,
          "CharStorage", ScalarType.Char,
          "ByteStorage", ScalarType.Byte,
          "BoolStorage", ScalarType.Bool);
  private static final int MOST_UNKNOWN = 20; // that are named
  private static final Set<String> FUNCTIONS =
      Set.of(
          "collections.OrderedDict",
          "torch._utils._rebuild_tensor",
          "torch._utils._rebuild_tensor_v2",
          "torch._utils._rebuild_parameter");

  /** A storage to which the pickle refers. */
  record Storage(String key, ScalarType type, long count) {
    long bytes() {
      return count * torch.elementSize(type);
    }
  }

  /**
   * A tensor to which the pickle refers: a view of a storage, which was checked to lie inside it.
   */
  public record View(Storage storage, long offset, long[] sizes, long[] strides) {}

  /** Selects the needed tensors by name from the content of the file. */
  public interface Choice {
    /**
     * Selects tensors.
     *
     * @param root the content of the file
     * @param unknown the names of classes and functions whose objects were not read
     */
    Map<String, View> of(Object root, Set<String> unknown) throws IOException;
  }

  private TorchFile() {}

  /** Whether the beginning of a file matches one of the two formats. */
  public static boolean isZip(byte[] beginning) {
    return beginning.length >= 4
        && beginning[0] == 'P'
        && beginning[1] == 'K'
        && beginning[2] == 3
        && beginning[3] == 4;
  }

  public static boolean isLegacy(byte[] beginning) {
    return beginning.length >= 3
        && (beginning[0] & 0xff) == 0x80
        && beginning[1] >= 2
        && beginning[1] <= 5;
  }

  /** Reads the zip format. */
  public static Map<String, Tensor> readZip(Path file, Choice choice) throws IOException {
    try (ZipFile zip = new ZipFile(file.toFile())) {
      Map<String, ZipEntry> entries = entries(file, zip);
      String folder = folder(file, entries.keySet());
      checkLengths(file, entries.values());
      requireLittleEndian(file, zip, entries.get(folder + "byteorder"));
      PickledObjects objects = new PickledObjects();
      Object root;
      try (BoundedReader in = open(file, zip, entries.get(folder + "data.pkl"))) {
        root = Pickle.read(in, objects);
      }
      Map<String, View> views = choice.of(root, objects.unknown);
      Map<Storage, Tensor> storages = new HashMap<>();
      try {
        for (Storage storage : storagesOf(views)) {
          String name = folder + "data/" + storage.key();
          ZipEntry entry = entries.get(name);
          if (entry == null) {
            throw new IOException(file + ": has no entry " + UntrustedInput.text(name));
          }
          if (entry.getSize() != storage.bytes()) {
            throw new IOException(
                file
                    + ": entry "
                    + UntrustedInput.text(name)
                    + " has "
                    + entry.getSize()
                    + " bytes, expected "
                    + storage.bytes());
          }
          try (BoundedReader in = open(file, zip, entry)) {
            storages.put(storage, load(in, storage));
          }
        }
        return tensors(views, storages);
      } finally {
        storages.values().forEach(Tensor::close); // views keep their storage alive
      }
    } catch (ZipException | EOFException e) { // a message of the JDK without the name of the file
      throw new IOException(
          file + ": not a readable zip file: " + UntrustedInput.text(e.getMessage()), e);
    }
  }

  private static Map<String, ZipEntry> entries(Path file, ZipFile zip) throws IOException {
    List<ZipEntry> listed;
    try {
      listed = zip.stream().map(ZipEntry.class::cast).toList();
    } catch (IllegalArgumentException e) { // thrown by the JDK for a name that is not UTF-8
      throw new IOException(
          file + ": not a readable zip file: the name of an entry is not text", e);
    }
    Map<String, ZipEntry> entries = new LinkedHashMap<>();
    for (ZipEntry entry : listed) {
      if (entries.put(entry.getName(), entry) != null) {
        throw new IOException(
            file + ": entry " + UntrustedInput.text(entry.getName()) + " occurs twice");
      }
    }
    return entries;
  }

  /**
   * Checks that the sizes of all entries fit into the file, so that there are no zip bombs and no
   * overlapping entries.
   */
  private static void checkLengths(Path file, Collection<ZipEntry> entries) throws IOException {
    long left = Files.size(file);
    for (ZipEntry entry : entries) {
      String where = file + ": entry " + UntrustedInput.text(entry.getName());
      if (entry.getMethod() != ZipEntry.STORED || entry.getSize() != entry.getCompressedSize()) {
        throw new IOException(
            where + " is compressed, which is refused; PyTorch writes uncompressed files");
      }
      if (entry.getSize() < 0 || entry.getSize() > left) {
        throw new IOException(
            where
                + " goes beyond the "
                + Files.size(file)
                + " bytes of the file, or overlaps another entry");
      }
      left -= entry.getSize();
    }
  }

  private static String folder(Path file, Set<String> names) throws IOException {
    List<String> pickles = names.stream().filter(name -> name.matches("[^/]+/data\\.pkl")).toList();
    if (pickles.size() != 1) {
      throw new IOException(
          file
              + ": not a PyTorch file: expected one NAME/data.pkl in the zip, got "
              + pickles.size());
    }
    String folder = pickles.get(0).substring(0, pickles.get(0).length() - "data.pkl".length());
    if (names.contains(folder + "constants.pkl")) {
      throw new IOException(
          file
              + ": contains a TorchScript program instead of weights; save its state_dict()"
              + " with torch.save");
    }
    return folder;
  }

  private static void requireLittleEndian(Path file, ZipFile zip, ZipEntry entry)
      throws IOException {
    if (entry == null) {
      return; // PyTorch before 2.1
    }
    try (BoundedReader in = open(file, zip, entry)) {
      String order = new String(in.take(Math.min(entry.getSize(), 16)), StandardCharsets.UTF_8);
      if (!order.equals("little")) {
        throw new IOException(
            file + ": its byte order is " + UntrustedInput.text(order) + ", expected little");
      }
    }
  }

  private static BoundedReader open(Path file, ZipFile zip, ZipEntry entry) throws IOException {
    return new BoundedReader(
        new BufferedInputStream(zip.getInputStream(entry)),
        file + ", entry " + UntrustedInput.text(entry.getName()),
        entry.getSize());
  }

  /** Reads the format of PyTorch before 1.6. */
  public static Map<String, Tensor> readLegacy(Path file, Choice choice) throws IOException {
    try (BoundedReader in =
        new BoundedReader(
            new BufferedInputStream(Files.newInputStream(file)),
            file.toString(),
            Files.size(file))) {
      PickledObjects objects = new PickledObjects();
      Object magic = Pickle.read(in, objects);
      if (!MAGIC.equals(magic)) {
        throw in.fault(
            magic instanceof Map<?, ?> map && map.keySet().stream().anyMatch(TorchFile::isOfPaddle)
                ? "a file of PaddlePaddle, whose linear layers are transposed; convert it with Python"
                : magic instanceof Map<?, ?> caffe && caffe.containsKey("blobs")
                    ? "a file of Caffe2, which holds arrays of NumPy; docs/from-mmaction.md has the lines"
                        + " of Python that convert it"
                    : "not a PyTorch file: a pickle that torch.save did not write");
      }
      Object protocol = Pickle.read(in, objects);
      if (!Long.valueOf(LEGACY_PROTOCOL).equals(protocol)) {
        throw in.fault(
            "expected protocol " + LEGACY_PROTOCOL + ", got " + UntrustedInput.text(protocol));
      }
      if (Pickle.read(in, objects) instanceof Map<?, ?> machine
          && Boolean.FALSE.equals(machine.get("little_endian"))) {
        throw in.fault("written on a big-endian machine, which is not supported");
      }
      Map<String, View> views = choice.of(Pickle.read(in, objects), objects.unknown);
      Set<Storage> wanted = storagesOf(views);
      Map<Storage, Tensor> storages = new HashMap<>();
      try {
        for (String key : keys(in, Pickle.read(in, objects))) {
          Storage storage = objects.storages.get(key);
          if (storage == null) {
            throw in.fault("storage " + UntrustedInput.text(key) + " belongs to no tensor");
          }
          long count = in.little(Long.BYTES);
          if (count != storage.count()) {
            throw in.fault(
                "storage "
                    + UntrustedInput.text(key)
                    + " has "
                    + count
                    + " values, expected "
                    + storage.count());
          }
          if (wanted.contains(storage)) {
            storages.put(storage, load(in, storage));
          } else {
            in.skip(storage.bytes());
          }
        }
        in.requireEnd();
        for (Storage storage : wanted) {
          if (!storages.containsKey(storage)) {
            throw in.fault("storage " + UntrustedInput.text(storage.key()) + " is missing");
          }
        }
        return tensors(views, storages);
      } finally {
        storages.values().forEach(Tensor::close);
      }
    }
  }

  private static boolean isOfPaddle(Object key) {
    return key instanceof String name
        && (name.startsWith("StructuredToParameterName") || name.matches(".*\\._(mean|variance)"));
  }

  private static Set<String> keys(BoundedReader in, Object list) throws IOException {
    if (!(list instanceof List<?> keys)) {
      throw in.fault("the keys of the storages are " + Pickle.kind(list) + ", expected a list");
    }
    Set<String> unique = new LinkedHashSet<>();
    for (Object key : keys) {
      if (!(key instanceof String text)) {
        throw in.fault("the key of a storage is " + Pickle.kind(key) + ", expected text");
      }
      if (!unique.add(text)) {
        throw in.fault("storage " + UntrustedInput.text(text) + " occurs twice");
      }
    }
    return unique;
  }

  private static Set<Storage> storagesOf(Map<String, View> views) {
    return views.values().stream()
        .map(View::storage)
        .collect(Collectors.toCollection(LinkedHashSet::new));
  }

  private static Tensor load(BoundedReader in, Storage storage) throws IOException {
    in.require(storage.bytes()); // before anything is allocated
    Tensor tensor =
        torch.empty(new long[] {storage.count()}, new TensorOptions(storage.type()), null);
    if (storage.bytes() > 0) {
      in.fill(new BytePointer(tensor.data_ptr()).capacity(storage.bytes()).asByteBuffer());
    }
    return tensor;
  }

  private static Map<String, Tensor> tensors(
      Map<String, View> views, Map<Storage, Tensor> storages) {
    Map<String, Tensor> tensors = new LinkedHashMap<>();
    views.forEach(
        (name, view) ->
            tensors.put(
                name,
                storages
                    .get(view.storage())
                    .as_strided(view.sizes(), view.strides(), new LongOptional(view.offset()))));
    return tensors;
  }

  /** The calls in PyTorch's pickles. */
  private static final class PickledObjects implements Pickle.Calls {
    private final Map<String, Storage> storages = new HashMap<>();
    private final Set<String> unknown = new LinkedHashSet<>();

    @Override
    public void unknown(Global global) {
      if (unknown.size() < MOST_UNKNOWN) {
        unknown.add(global.toString());
      }
    }

    @Override
    public boolean knows(Global global) {
      return FUNCTIONS.contains(global.module() + "." + global.name());
    }

    @Override
    public Object call(Global function, List<Object> arguments) {
      return switch (function.name()) {
        case "OrderedDict" -> dict(arguments);
        case "_rebuild_tensor", "_rebuild_tensor_v2" -> view(arguments);
        case "_rebuild_parameter" ->
            Pickle.expect(View.class, argument(arguments, 0), "the tensor of a parameter");
        default -> throw new Refused("calls " + function + ", which is refused");
      };
    }

    private static Object argument(List<Object> arguments, int index) {
      if (index >= arguments.size()) {
        throw new Refused("a call with " + arguments.size() + " arguments");
      }
      return arguments.get(index);
    }

    /** An empty dict, or in files from Python 2 one that is built from a list of pairs. */
    private static Map<Object, Object> dict(List<Object> arguments) {
      Map<Object, Object> dict = new LinkedHashMap<>();
      if (!arguments.isEmpty()) {
        List<Object> items = new ArrayList<>();
        for (Object pair : Pickle.expect(List.class, arguments.get(0), "an OrderedDict's items")) {
          List<?> both =
              pair instanceof Tuple tuple
                  ? tuple.items()
                  : Pickle.expect(List.class, pair, "an OrderedDict's item");
          if (both.size() != 2) {
            throw new Refused("an OrderedDict's item of " + both.size() + " values");
          }
          items.addAll(both);
        }
        Pickle.put(dict, items);
      }
      return dict;
    }

    private static View view(List<Object> arguments) {
      Storage storage =
          Pickle.expect(Storage.class, argument(arguments, 0), "the storage of a tensor");
      long offset = whole(argument(arguments, 1), "the offset of a tensor");
      long[] sizes = wholes(argument(arguments, 2), "the shape of a tensor");
      long[] strides = wholes(argument(arguments, 3), "the strides of a tensor");
      if (sizes.length != strides.length) {
        throw new Refused(
            "a tensor of " + sizes.length + " dimensions with " + strides.length + " strides");
      }
      try {
        boolean empty = UntrustedInput.bytes(torch.elementSize(storage.type()), sizes) == 0;
        long last = offset;
        for (int i = 0; i < sizes.length; i++) {
          last = Math.addExact(last, Math.multiplyExact(Math.max(0, sizes[i] - 1), strides[i]));
        }
        if (offset > storage.count() || (!empty && last >= storage.count())) {
          throw new Refused(
              "a tensor extends to value "
                  + last
                  + " of storage "
                  + UntrustedInput.text(storage.key())
                  + ", which has "
                  + storage.count());
        }
      } catch (ArithmeticException e) {
        throw new Refused("the shape of a tensor is too large");
      }
      return new View(storage, offset, sizes, strides);
    }

    private static long[] wholes(Object value, String what) {
      List<Object> items = Pickle.expect(Tuple.class, value, what).items();
      long[] numbers = new long[items.size()];
      for (int i = 0; i < numbers.length; i++) {
        numbers[i] = whole(items.get(i), what);
      }
      return numbers;
    }

    private static long whole(Object value, String what) {
      long number = Pickle.expect(Long.class, value, what);
      if (number < 0) {
        throw new Refused(what + " is " + number);
      }
      return number;
    }

    /**
     * {@code ("storage", type, key, location, count)}; in the old format, followed by the storage
     * of which it is a view.
     */
    @Override
    public Object persistent(Object id) {
      List<Object> items = Pickle.expect(Tuple.class, id, "the description of a storage").items();
      if (items.size() > 1 && "module".equals(items.get(0))) {
        return items.get(1); // the class of a module; an old file has its source beside it
      }
      if (items.size() < 5 || items.size() > 6 || !"storage".equals(items.get(0))) {
        throw new Refused("expected the description of a storage, got another object");
      }
      if (items.size() == 6 && items.get(5) != null) {
        throw new Refused("a storage that is a view of another (PyTorch before 0.4) is refused");
      }
      Global global = Pickle.expect(Global.class, items.get(1), "the type of a storage");
      ScalarType type = global.module().equals("torch") ? STORAGES.get(global.name()) : null;
      if (type == null) {
        throw new Refused("the type of a storage is " + global + ", which is refused");
      }
      String key = Pickle.expect(String.class, items.get(2), "the key of a storage");
      long count = whole(items.get(4), "the length of a storage");
      if (count > Integer.MAX_VALUE / torch.elementSize(type)) {
        throw new Refused("storage " + UntrustedInput.text(key) + " is larger than 2 GiB");
      }
      Storage storage = new Storage(key, type, count);
      Storage known = storages.putIfAbsent(key, storage);
      if (known != null && !known.equals(storage)) {
        throw new Refused(
            "storage " + UntrustedInput.text(key) + " has two different descriptions");
      }
      return storage;
    }
  }
}
