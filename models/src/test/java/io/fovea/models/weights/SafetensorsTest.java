package io.fovea.models.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SafetensorsTest {
  @TempDir Path folder;

  @Test
  void readsBackWhatItWrote() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = new LinkedHashMap<>();
      for (ScalarType type :
          new ScalarType[] {
            ScalarType.Double,
            ScalarType.Float,
            ScalarType.Half,
            ScalarType.BFloat16,
            ScalarType.Long,
            ScalarType.Int,
            ScalarType.Short,
            ScalarType.Char,
            ScalarType.Byte,
            ScalarType.Bool
          }) {
        tensors.put("of." + type, torch.randint(2, new long[] {3, 5}).to(type));
      }
      tensors.put("scalar", torch.zeros());
      tensors.put("empty", torch.zeros(0, 4));
      tensors.put("transposed", torch.randn(4, 3).t());
      tensors.put("with its sign beside it", torch.randn(4, 3)._neg_view());
      tensors.put("one value", torch.ones(1).expand(4, 3));
      Path file = folder.resolve("all.safetensors");
      Safetensors.write(file, tensors, Map.of("format", "pt", "note", "é <\">"));
      Map<String, Tensor> read = Safetensors.read(file);
      assertThat(read.keySet()).isEqualTo(tensors.keySet());
      tensors.forEach(
          (name, tensor) -> {
            assertThat(read.get(name).scalar_type().intern())
                .isEqualTo(tensor.scalar_type().intern());
            assertThat(read.get(name).shape()).isEqualTo(tensor.shape());
            assertThat(torch.equal(read.get(name), tensor)).as(name).isTrue();
          });
      assertThat(Safetensors.metadata(file)).isEqualTo(Map.of("format", "pt", "note", "é <\">"));
      try (var files = Files.list(folder)) {
        assertThat(files).as("no temporary file is left").containsExactly(file);
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      value = {
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,4]}} | need 8 bytes",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | begins at byte 4",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[9],\"data_offsets\":[0,36]}} | take 36 bytes",
        "{\"a\":{\"dtype\":\"Q5\",\"shape\":[1],\"data_offsets\":[0,4]}} | unknown type",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[-1],\"data_offsets\":[0,4]}} | the shape is [-1]",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[4611686018427387904,4],\"data_offsets\":[0,4]}}"
            + " | too large",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0]}} | the offsets are",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[4,8]}} | not JSON",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]},"
            + "\"b\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}} | begins at byte 0",
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[0,4611686018427387904,4],\"data_offsets\":[0,0]}}"
            + " | too large",
        "[] | not a JSON object",
        "{\"a\" | not JSON"
      })
  void saysWhatIsWrongWithAHeader(String header, String complaint) throws IOException {
    Path file = folder.resolve("bad.safetensors");
    Files.write(file, file(header.getBytes(StandardCharsets.UTF_8), new byte[8]));
    assertThatThrownBy(() -> Safetensors.read(file))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(complaint);
  }

  @Test
  void refusesAHeaderLongerThanTheFile() throws IOException {
    Path file = folder.resolve("long.safetensors");
    Files.write(
        file, ByteBuffer.allocate(16).order(ByteOrder.LITTLE_ENDIAN).putLong(1L << 63).array());
    assertThatThrownBy(() -> Safetensors.read(file))
        .hasMessageContaining("a header of 9223372036854775808 bytes in a file of 16");
  }

  /** Of 90 MB of entries, a tree of several gigabytes would be made. */
  @Test
  void refusesAHeaderThatWouldFillTheMemory() throws IOException {
    Path file = folder.resolve("many.safetensors");
    byte[] header = new byte[(8 << 20) + 8];
    Arrays.fill(header, (byte) ' ');
    Files.write(file, file(header, new byte[8]));
    assertThatThrownBy(() -> Safetensors.read(file))
        .hasMessageEndingWith(
            "a header of 8388616 bytes in a file of 8388632; a header may have" + " 8388608 bytes");
  }

  private static byte[] file(byte[] header, byte[] data) {
    return ByteBuffer.allocate(8 + header.length + data.length)
        .order(ByteOrder.LITTLE_ENDIAN)
        .putLong(header.length)
        .put(header)
        .put(data)
        .array();
  }
}
