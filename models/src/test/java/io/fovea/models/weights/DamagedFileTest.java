package io.fovea.models.weights;

import static org.assertj.core.api.Assertions.assertThat;

import io.fovea.testing.Thorough;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import net.jqwik.api.EdgeCasesMode;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.ShrinkingMode;
import net.jqwik.api.constraints.LongRange;
import net.jqwik.api.lifecycle.AfterContainer;
import net.jqwik.api.lifecycle.BeforeContainer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;

/**
 * Real files with random damage: each is read or refused with an IOException that names it. Nothing else is thrown, and what is read can be used without a crash.
 */
class DamagedFileTest {
  private static final int TRIES = 500;

  private static final List<String> ZIPS =
      List.of("types.zip.pt", "views.zip.pt", "training.zip.pt", "parameters.zip.pt");
  private static final List<String> OLD =
      List.of(
          "types.legacy.pth", "views.legacy.pth", "training.legacy.pth", "protocol4.legacy.pth");
  private static final byte[] INSTRUCTIONS =
      "(0123.NIJKLMFGXUTCBqrhjcRQbioPSV)tld}eaus]\u0080\u0081\u0085\u0086\u0087\u0088\u0089\u008a\u008b"
          .getBytes(StandardCharsets.ISO_8859_1);

  private static Path file;
  private static byte[] safetensors;

  @BeforeContainer
  static void makeFile() throws IOException {
    file = Files.createTempFile("damaged", ".pt");
    try (PointerScope scope = new PointerScope()) {
      Safetensors.write(
          file,
          Map.of(
              "weight", torch.randn(3, 4),
              "half", torch.randn(2).to(ScalarType.Half),
              "empty", torch.zeros(0, 2)),
          Map.of("format", "pt"));
    }
    safetensors = Files.readAllBytes(file);
  }

  @AfterContainer
  static void removeFile() throws IOException {
    Files.deleteIfExists(file);
  }

  @Property(tries = TRIES, shrinking = ShrinkingMode.OFF, edgeCases = EdgeCasesMode.NONE)
  void zips(@ForAll @LongRange(min = 0) long seed) throws IOException {
    readOrRefuse(damaged(original(ZIPS, seed), new Random(seed)));
  }

  /** Damage to the pickle alone, in a zip that is in order. */
  @Property(tries = TRIES, shrinking = ShrinkingMode.OFF, edgeCases = EdgeCasesMode.NONE)
  void pickles(@ForAll @LongRange(min = 0) long seed) throws IOException {
    Path original = CheckpointTest.resource(ZIPS.get((int) (seed % ZIPS.size())));
    Map<String, byte[]> entries = CheckpointTest.entries(original);
    String pickle = entries.keySet().iterator().next();
    assertThat(pickle).endsWith("/data.pkl");
    entries.put(pickle, damaged(entries.get(pickle), new Random(seed)));
    readOrRefuse(CheckpointTest.zip(entries));
  }

  @Property(tries = TRIES, shrinking = ShrinkingMode.OFF, edgeCases = EdgeCasesMode.NONE)
  void oldForm(@ForAll @LongRange(min = 0) long seed) throws IOException {
    readOrRefuse(damaged(original(OLD, seed), new Random(seed)));
  }

  @Property(tries = TRIES, shrinking = ShrinkingMode.OFF, edgeCases = EdgeCasesMode.NONE)
  void safetensors(@ForAll @LongRange(min = 0) long seed) throws IOException {
    readOrRefuse(damaged(safetensors, new Random(seed)));
  }

  @Thorough
  @Property(tries = 12_000, shrinking = ShrinkingMode.OFF, edgeCases = EdgeCasesMode.NONE)
  void all(@ForAll @LongRange(min = 0) long seed) throws IOException {
    switch ((int) (seed % 4)) {
      case 0 -> zips(seed / 4);
      case 1 -> pickles(seed / 4);
      case 2 -> oldForm(seed / 4);
      default -> safetensors(seed / 4);
    }
  }

  private static byte[] original(List<String> names, long seed) throws IOException {
    return Files.readAllBytes(CheckpointTest.resource(names.get((int) (seed % names.size()))));
  }

  private static byte[] damaged(byte[] original, Random random) {
    byte[] bytes = original.clone();
    int changes = 1 + random.nextInt(4);
    for (int i = 0; i < changes && bytes.length > 0; i++) {
      int at = random.nextInt(bytes.length);
      switch (random.nextInt(8)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = (byte) random.nextInt(256);
        case 2 -> bytes[at] = INSTRUCTIONS[random.nextInt(INSTRUCTIONS.length)];
        case 3 -> bytes[at] = (byte) ('0' + random.nextInt(10)); // still a number
        case 4 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 8), (byte) 0xff);
        case 5 -> bytes = Arrays.copyOf(bytes, at);
        case 6 -> bytes = spliced(bytes, at, at, Math.min(bytes.length, at + random.nextInt(64)));
        default -> bytes = spliced(bytes, Math.min(bytes.length, at + random.nextInt(9)), at, at);
      }
    }
    return bytes;
  }

  /** Everything to {@code end}, then a piece from {@code from} to {@code to}, then the rest. */
  private static byte[] spliced(byte[] bytes, int resume, int end, int pieceEnd) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(bytes, 0, end);
    out.write(bytes, end, pieceEnd - end);
    out.write(bytes, resume, bytes.length - resume);
    return out.toByteArray();
  }

  private static void readOrRefuse(byte[] bytes) throws IOException {
    Files.write(file, bytes);
    try (PointerScope scope = new PointerScope()) {
      for (Tensor tensor : Checkpoint.read(file).tensors().values()) {
        if (tensor.numel() < 10_000) { // an expanded view may stand for more than was ever there
          CheckpointTest.values(tensor);
        }
      }
    } catch (IOException e) {
      assertThat(e).hasMessageStartingWith(file.toString());
      assertThat(e.getMessage()).hasSizeLessThan(1000).doesNotContain("\n");
    }
  }
}
