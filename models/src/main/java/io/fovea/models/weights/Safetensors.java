package io.fovea.models.weights;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.StreamReadFeature;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.fovea.models.weights.internal.UntrustedInput;
import io.fovea.tensor.internal.AtomicFile;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.TensorOptions;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Reads and writes the safetensors format: eight bytes with the length of the header, a JSON header
 * with types, shapes and offsets, and the little-endian bytes of the tensors. Nothing in a file is
 * executed, and all sizes are checked against the length of the file before they are used.
 *
 * <p>Thread-safe; one file is written by one thread.
 */
public final class Safetensors {
  /**
   * Room for about 50,000 tensors; the largest published networks have some thousands. The
   * safetensors library reads up to 100 MB, which take gigabytes of memory.
   */
  private static final long LARGEST_HEADER = 8 << 20;

  private static final JsonMapper JSON =
      JsonMapper.builder()
          .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
          .enable(DeserializationFeature.FAIL_ON_TRAILING_TOKENS)
          .build();
  private static final Map<String, ScalarType> TYPES =
      Map.of(
          "F64", ScalarType.Double,
          "F32", ScalarType.Float,
          "F16", ScalarType.Half,
          "BF16", ScalarType.BFloat16,
          "I64", ScalarType.Long,
          "I32", ScalarType.Int,
          "I16", ScalarType.Short,
          "I8", ScalarType.Char,
          "U8", ScalarType.Byte,
          "BOOL", ScalarType.Bool);

  private Safetensors() {}

  private record Entry(String name, ScalarType type, long[] shape, long begin, long end) {}

  /**
   * Reads all tensors of a file.
   *
   * @return the tensors by name, in the order of their bytes; the caller closes them
   * @throws IOException if the file cannot be read or is not a safetensors file; the message names
   *     the file and the position
   */
  public static Map<String, Tensor> read(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      long length = channel.size();
      JsonNode header = header(file, channel, length);
      long headerEnd = 8 + headerLength(file, channel, length);
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (Entry entry : entries(file, header, length - headerEnd)) {
        tensors.put(entry.name(), tensor(channel, headerEnd, entry));
      }
      return tensors;
    }
  }

  /**
   * Reads the metadata of a file.
   *
   * @throws IOException as {@link #read}
   */
  public static Map<String, String> metadata(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      Map<String, String> metadata = new LinkedHashMap<>();
      header(file, channel, channel.size())
          .path("__metadata__")
          .properties()
          .forEach(entry -> metadata.put(entry.getKey(), entry.getValue().asText()));
      return metadata;
    }
  }

  /**
   * Writes tensors. The file is written atomically.
   *
   * @param file the file, which is replaced if it exists
   * @param tensors the tensors by name, with any strides
   * @param metadata the metadata
   * @throws IOException if the file cannot be written
   * @throws IllegalArgumentException if the format does not support the type of a tensor
   */
  public static void write(Path file, Map<String, Tensor> tensors, Map<String, String> metadata)
      throws IOException {
    ObjectNode header = JSON.createObjectNode();
    ObjectNode free = header.putObject("__metadata__");
    new TreeMap<>(metadata).forEach(free::put); // the same bytes in every run of Java
    long offset = 0;
    for (Map.Entry<String, Tensor> entry : tensors.entrySet()) {
      Tensor tensor = entry.getValue();
      ObjectNode node = header.putObject(entry.getKey());
      node.put("dtype", typeName(entry.getKey(), tensor));
      var shape = node.putArray("shape");
      for (long size : tensor.shape()) {
        shape.add(size);
      }
      long end = offset + tensor.numel() * tensor.element_size();
      node.putArray("data_offsets").add(offset).add(end);
      offset = end;
    }
    String json = header.toString();
    byte[] text =
        (json + " ".repeat((8 - utf8(json).length % 8) % 8)).getBytes(StandardCharsets.UTF_8);

    AtomicFile.write(
        file,
        partial -> {
          try (FileChannel channel =
              FileChannel.open(
                  partial,
                  StandardOpenOption.CREATE,
                  StandardOpenOption.TRUNCATE_EXISTING,
                  StandardOpenOption.WRITE)) {
            ByteBuffer length = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
            writeAll(channel, length.putLong(text.length).flip());
            writeAll(channel, ByteBuffer.wrap(text));
            for (Tensor tensor : tensors.values()) {
              try (PointerScope scope = new PointerScope()) {
                // bytes are read, and not the sign beside them
                Tensor plain = tensor.detach().cpu().resolve_neg().contiguous();
                writeAll(channel, bytes(plain));
              }
            }
            channel.force(true);
          }
        });
  }

  private static long headerLength(Path file, FileChannel channel, long length) throws IOException {
    if (length < 8) {
      throw new IOException(file + ": not a safetensors file: only " + length + " bytes");
    }
    ByteBuffer buffer = readAt(channel, 0, 8).order(ByteOrder.LITTLE_ENDIAN);
    long headerLength = buffer.getLong();
    if (headerLength < 2 || headerLength > Math.min(length - 8, LARGEST_HEADER)) {
      throw new IOException(
          file
              + ": not a safetensors file: a header of "
              + Long.toUnsignedString(headerLength)
              + " bytes in a file of "
              + length
              + (headerLength > LARGEST_HEADER
                  ? "; a header may have " + LARGEST_HEADER + " bytes"
                  : ""));
    }
    return headerLength;
  }

  private static JsonNode header(Path file, FileChannel channel, long length) throws IOException {
    int headerLength = (int) headerLength(file, channel, length);
    byte[] text = readAt(channel, 8, headerLength).array();
    JsonNode header;
    try {
      header = JSON.readTree(text);
    } catch (JsonProcessingException e) {
      throw new IOException(
          file + ": the header is not JSON: " + UntrustedInput.text(e.getOriginalMessage()), e);
    } catch (IOException e) { // limit for the characters of the header
      throw new IOException(
          file + ": the header is not UTF-8: " + UntrustedInput.text(e.getMessage()), e);
    }
    if (!header.isObject()) {
      throw new IOException(file + ": the header is not a JSON object");
    }
    return header;
  }

  private static List<Entry> entries(Path file, JsonNode header, long dataLength)
      throws IOException {
    List<Entry> entries = new ArrayList<>();
    for (Map.Entry<String, JsonNode> property : header.properties()) {
      if (!property.getKey().equals("__metadata__")) {
        entries.add(entry(file, property.getKey(), property.getValue()));
      }
    }
    entries.sort(Comparator.comparingLong(Entry::begin).thenComparingLong(Entry::end));
    long end = 0;
    for (Entry entry : entries) {
      if (entry.begin() != end) {
        throw new IOException(
            file
                + ": tensor "
                + UntrustedInput.text(entry.name())
                + " begins at byte "
                + entry.begin()
                + ", expected "
                + end);
      }
      end = entry.end();
    }
    if (end != dataLength) {
      throw new IOException(
          file + ": the tensors take " + end + " bytes, the file has " + dataLength);
    }
    return entries;
  }

  private static Entry entry(Path file, String name, JsonNode node) throws IOException {
    String where = file + ": tensor " + UntrustedInput.text(name) + ": ";
    ScalarType type = TYPES.get(node.path("dtype").asText());
    if (type == null) {
      throw new IOException(where + "unknown type " + UntrustedInput.text(node.path("dtype")));
    }
    JsonNode sizes = node.path("shape");
    JsonNode offsets = node.path("data_offsets");
    if (!sizes.isArray() || !allWhole(sizes)) {
      throw new IOException(where + "the shape is " + UntrustedInput.text(sizes));
    }
    if (!offsets.isArray() || offsets.size() != 2 || !allWhole(offsets)) {
      throw new IOException(where + "the offsets are " + UntrustedInput.text(offsets));
    }
    long[] shape = new long[sizes.size()];
    for (int i = 0; i < shape.length; i++) {
      shape[i] = sizes.get(i).asLong();
    }
    long bytes;
    try {
      bytes = UntrustedInput.bytes(torch.elementSize(type), shape);
    } catch (ArithmeticException e) {
      throw new IOException(where + "the shape " + UntrustedInput.text(sizes) + " is too large", e);
    }
    long begin = offsets.get(0).asLong();
    long end = offsets.get(1).asLong();
    if (end - begin != bytes) {
      throw new IOException(
          where
              + "type and shape "
              + UntrustedInput.text(sizes)
              + " need "
              + bytes
              + " bytes, the offsets "
              + offsets
              + " give "
              + (end - begin));
    }
    if (bytes > Integer.MAX_VALUE) {
      throw new IOException(where + "larger than 2 GiB");
    }
    return new Entry(name, type, shape, begin, end);
  }

  private static boolean allWhole(JsonNode array) {
    for (JsonNode value : array) {
      if (!value.isIntegralNumber() || !value.canConvertToLong() || value.asLong() < 0) {
        return false;
      }
    }
    return true;
  }

  private static Tensor tensor(FileChannel channel, long dataStart, Entry entry)
      throws IOException {
    Tensor tensor = torch.empty(entry.shape(), new TensorOptions(entry.type()), null);
    if (entry.end() > entry.begin()) {
      bytes(tensor)
          .put(
              channel.map(
                  MapMode.READ_ONLY, dataStart + entry.begin(), entry.end() - entry.begin()));
    }
    return tensor;
  }

  private static ByteBuffer bytes(Tensor tensor) {
    long length = tensor.numel() * tensor.element_size();
    if (length == 0) {
      return ByteBuffer.allocate(0);
    }
    return new BytePointer(tensor.data_ptr()).capacity(length).asByteBuffer();
  }

  private static ByteBuffer readAt(FileChannel channel, long position, int length)
      throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(length);
    while (buffer.hasRemaining()) {
      if (channel.read(buffer, position + buffer.position()) < 0) {
        throw new IOException("the file ends at byte " + (position + buffer.position()));
      }
    }
    return buffer.flip();
  }

  private static void writeAll(FileChannel channel, ByteBuffer buffer) throws IOException {
    while (buffer.hasRemaining()) {
      channel.write(buffer);
    }
  }

  private static byte[] utf8(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String typeName(String name, Tensor tensor) {
    ScalarType type = tensor.scalar_type().intern();
    return TYPES.entrySet().stream()
        .filter(entry -> entry.getValue() == type)
        .map(Map.Entry::getKey)
        .findFirst()
        .orElseThrow(() -> new IllegalArgumentException("tensor " + name + " has type " + type));
  }
}
