package io.fovea.models.weights;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.net.URISyntaxException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.bytedeco.pytorch.global.torch.ScalarType;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files that PyTorch wrote (scripts/golden/checkpoints.py), and files that no one should trust. */
public class CheckpointTest {
  @TempDir Path folder;

  static Path resource(String name) {
    try {
      return Path.of(CheckpointTest.class.getResource("/checkpoints/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  static Stream<Arguments> written() throws IOException {
    List<Arguments> all = new ArrayList<>();
    new ObjectMapper()
        .readTree(resource("expected.json").toFile())
        .properties()
        .forEach(
            entry -> {
              all.add(Arguments.of(entry.getKey() + ".zip.pt", entry.getValue()));
              all.add(Arguments.of(entry.getKey() + ".legacy.pth", entry.getValue()));
            });
    return all.stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("written")
  void readsWhatPyTorchWrote(String name, JsonNode expected) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = Checkpoint.read(resource(name)).tensors();
      List<String> names = new ArrayList<>();
      expected.fieldNames().forEachRemaining(names::add);
      assertThat(tensors.keySet()).containsExactlyElementsOf(names);
      expected
          .properties()
          .forEach(
              entry -> {
                Tensor tensor = tensors.get(entry.getKey());
                JsonNode node = entry.getValue();
                assertThat(pythonName(tensor.scalar_type().intern()))
                    .isEqualTo(node.get("type").asText());
                assertThat(tensor.shape()).isEqualTo(longs(node.get("shape")));
                assertThat(values(tensor))
                    .as(entry.getKey())
                    .containsExactly(doubles(node.get("values")));
              });
    }
  }

  private static String pythonName(ScalarType type) {
    return switch (type) {
      case Double -> "float64";
      case Float -> "float32";
      case Half -> "float16";
      case BFloat16 -> "bfloat16";
      case Long -> "int64";
      case Int -> "int32";
      case Short -> "int16";
      case Char -> "int8";
      case Byte -> "uint8";
      case Bool -> "bool";
      default -> throw new AssertionError(type);
    };
  }

  private static long[] longs(JsonNode array) {
    long[] values = new long[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asLong();
    }
    return values;
  }

  private static double[] doubles(JsonNode array) {
    double[] values = new double[array.size()];
    for (int i = 0; i < values.length; i++) {
      values[i] = array.get(i).asDouble();
    }
    return values;
  }

  public static double[] values(Tensor tensor) {
    double[] values = new double[(int) tensor.numel()];
    if (values.length > 0) {
      new DoublePointer(tensor.to(ScalarType.Double).contiguous().data_ptr_double()).get(values);
    }
    return values;
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "bare.zip.pt | PyTorch zip file",
        "bare.legacy.pth | PyTorch file of the old format",
        "training.zip.pt | PyTorch zip file, weights under \"state_dict\","
            + " prefix \"module.\" removed",
        "model.legacy.pth | PyTorch file of the old format, weights under \"model\"",
        "model_state_dict.zip.pt | PyTorch zip file, weights under \"model_state_dict\"",
        "net.zip.pt | PyTorch zip file, weights under \"net\", prefix \"module.\" removed"
      })
  void saysWhereTheWeightsWere(String name, String form) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      assertThat(Checkpoint.read(resource(name)).form()).isEqualTo(form);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"views.zip.pt", "views.legacy.pth"})
  void tensorsThatSharedStorageShareIt(String name) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Map<String, Tensor> tensors = Checkpoint.read(resource(name)).tensors();
      tensors.get("whole").fill_(new org.bytedeco.pytorch.Scalar(3.0));
      for (String view : List.of("transposed", "column", "rows", "every_other", "tied")) {
        assertThat(values(tensors.get(view))).as(view).containsOnly(3.0);
      }
      assertThat(values(tensors.get("channels_last"))).startsWith(1, 2, 3);
    }
  }

  @Test
  void safetensorsLoseTheirPrefixToo() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Path file = folder.resolve("weights.bin");
      Safetensors.write(
          file, Map.of("module.a", torch.ones(2), "module.b", torch.zeros(1)), Map.of());
      Checkpoint checkpoint = Checkpoint.read(file);
      assertThat(checkpoint.form()).isEqualTo("safetensors, prefix \"module.\" removed");
      assertThat(checkpoint.tensors().keySet()).containsExactlyInAnyOrder("a", "b");
    }
  }

  @Test
  void refusesNamesThatCannotBePrinted() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Path file = folder.resolve("names.safetensors");
      for (String name : List.of("a\u001b[2Jb", "a\nb", "long".repeat(1000))) {
        Safetensors.write(file, Map.of(name, torch.ones(1)), Map.of());
        assertThatThrownBy(() -> Checkpoint.read(file))
            .hasMessageStartingWith(file + ": the name of a tensor is too long or has control")
            .hasMessageNotContaining("\u001b")
            .hasMessageNotContaining("\n");
      }
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "module.zip.pt | contains an object of torch.nn.modules.linear.Linear, expected a state dict",
        "module.legacy.pth | contains an object of torch.nn.modules.linear.Linear, expected",
        "script.zip.pt | a TorchScript program instead of weights; save its state_dict()",
        "list.zip.pt | contains a list, expected a state dict",
        "nothing.zip.pt | under state_dict, model_state_dict, model, net; it"
            + " contains epoch, notes"
      })
  void refusesByName(String name, String complaint) {
    Path file = resource(name);
    assertThatThrownBy(() -> Checkpoint.read(file))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(complaint);
    assertThat(Path.of("pwned")).doesNotExist();
  }

  /** An object of unknown origin beside the weights is named, and nothing of it is called. */
  @ParameterizedTest
  @ValueSource(strings = {"mischief.zip.pt", "mischief.legacy.pth"})
  void executesNothingBesideTheWeights(String name) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Checkpoint checkpoint = Checkpoint.read(resource(name));
      assertThat(checkpoint.form()).endsWith("under \"state_dict\", not read: posix.system");
      assertThat(checkpoint.tensors()).containsKey("conv.weight");
    }
    assertThat(Path.of("pwned")).doesNotExist();
  }

  /** Files of trainers, scripts/golden/trainers.py: what was taken, and what was said. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "namespace.pt | weights under \"state_dict\", not read: argparse.Namespace",
        "lightning.pt | weights under \"state_dict\", not read: collections.Counter, "
            + "lightning.Callback, lightning.Settings, prefix \"model.\" removed",
        "compiled.pt | , prefix \"module._orig_mod.\" removed",
        "encoder.pt | , prefix \"encoder.\" removed",
        "averaged.pt | , prefix \"module.\" removed",
        "ema.pt | weights under \"state_dict\", not taken: state_dict_ema (6 tensors), see --key",
        "nested.pt | weights under \"checkpoint.weights\"",
        "thop.pt | PyTorch zip file",
        "mmengine.pt | weights under \"state_dict\"",
        "mmcv.pt | weights under \"state_dict\"",
      })
  void readsWhatTrainersSave(String name, String form) throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Checkpoint checkpoint = Checkpoint.read(trainers(name));
      assertThat(checkpoint.form()).contains(form);
      assertThat(checkpoint.tensors().keySet())
          .containsExactlyInAnyOrder(
              "conv1.weight",
              "bn1.weight",
              "bn1.bias",
              "bn1.running_mean",
              "bn1.running_var",
              "bn1.num_batches_tracked");
      assertThat(values(checkpoint.tensors().get("bn1.weight"))).containsExactly(1, 2);
    }
  }

  @Test
  void whatOpenMmlabSavesBesideTheWeightsIsRead() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      Checkpoint.Meta newer = Checkpoint.read(trainers("mmengine.pt")).meta();
      assertThat(newer.classes()).containsExactly("road", "wall");
      assertThat(newer.config()).contains("align_corners=True");
      Checkpoint.Meta older = Checkpoint.read(trainers("mmcv.pt")).meta();
      assertThat(older).isEqualTo(new Checkpoint.Meta(newer.classes(), "model = dict()\n"));
      assertThat(Checkpoint.read(trainers("namespace.pt")).meta())
          .isEqualTo(new Checkpoint.Meta(List.of(), ""));
    }
  }

  private static Path trainers(String name) {
    try {
      return Path.of(CheckpointTest.class.getResource("/trainers/" + name).toURI());
    } catch (URISyntaxException e) {
      throw new IllegalStateException(e);
    }
  }

  @Test
  void countersAreLeftOutAndNamed() throws IOException {
    try (PointerScope scope = new PointerScope()) {
      assertThat(Checkpoint.read(trainers("thop.pt")).leftOut())
          .containsExactly(
              Map.entry(
                  "counters of thop", List.of("total_ops", "total_params", "conv1.total_ops")));
      assertThat(Checkpoint.read(trainers("averaged.pt")).leftOut())
          .containsExactly(Map.entry("a counter of averaged weights", List.of("n_averaged")));
    }
  }

  @Test
  void oneOfSeveralStateDictsIsChosenByItsKey() throws IOException {
    Path file = trainers("ema.pt");
    try (PointerScope scope = new PointerScope()) {
      Checkpoint averaged = Checkpoint.read(file, "ema");
      assertThat(averaged.form()).contains("weights under \"state_dict_ema\"");
      assertThat(values(averaged.tensors().get("bn1.weight"))).containsExactly(2, 3);
      assertThatThrownBy(() -> Checkpoint.read(file, "average"))
          .hasMessage(
              file
                  + ": has no weights under \"average\"; it has state_dict (6 tensors),"
                  + " state_dict_ema (6 tensors)");
      assertThatThrownBy(() -> Checkpoint.read(trainers("two.pt")))
          .hasMessageEndingWith(
              "has several state dicts: generator (6 tensors), student (6 tensors); choose one with"
                  + " --key");
    }
  }

  @Test
  void anUnknownKindOfTensorAmongTheWeightsIsRefused() {
    Path file = trainers("object.pt");
    assertThatThrownBy(() -> Checkpoint.read(file))
        .hasMessage(
            file + ": bn1.weight is an object of argparse.Namespace, expected a plain tensor");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "version https://git-lfs.github.com/spec/v1 | a pointer of Git LFS",
        "<!DOCTYPE html><html> | a web page",
        "{\"a\": 1} | is JSON",
      })
  void saysWhatAnotherFileIs(String content, String kind) throws IOException {
    Path file = folder.resolve("weights.pth");
    Files.writeString(file, content);
    assertThatThrownBy(() -> Checkpoint.read(file))
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(kind);
    Files.write(file, new byte[] {0x1f, (byte) 0x8b, 8, 0});
    assertThatThrownBy(() -> Checkpoint.read(file)).hasMessageContaining("compressed by gzip");
    Files.write(file, new byte[0]);
    assertThatThrownBy(() -> Checkpoint.read(file)).hasMessage(file + ": is empty");
    assertThatThrownBy(() -> Checkpoint.read(folder)).hasMessageContaining("is a folder");
    Path nowhere = folder.resolve("nowhere.pth");
    assertThatThrownBy(() -> Checkpoint.read(nowhere)).hasMessage(nowhere + ": is not there");
  }

  /** Pickles as programs, in Latin-1: the instruction, and the complaint. */
  static Stream<Arguments> programs() {
    return Stream.of(
        Arguments.of("cos\nsystem\n(K\u0001tR.", "contains an object of os.system"),
        Arguments.of("cos\nsystem\n(Vid\ntR.", "instruction 0x56 is refused"),
        Arguments.of("\u0080\u0004\u008c\u0002os\u008c\u0006system\u0093.", "contains os.system"),
        Arguments.of("(S'id'\nios\nsystem\n.", "instruction 0x53 is refused"),
        Arguments.of("(ios\nsystem\n.", "contains an object of os.system"),
        Arguments.of("(cos\nsystem\nK\u0001o.", "contains an object of os.system"),
        Arguments.of("(o.", "an object without a class"),
        Arguments.of("cos\nsystem\n)\u0081K\u0001b.", "contains an object of os.system"),
        Arguments.of("cos\nsystem\n)}\u0092K\u0001K\u0002s.", "contains an object of os.system"),
        Arguments.of("K\u0001)R.", "the called object is a number"),
        Arguments.of("ccollections\nOrderedDict\n)\u0081.", "no state dict at its top level"),
        Arguments.of("\u0082\u0001.", "instruction EXT (which looks up code) is refused"),
        Arguments.of("ctorch\nFloatStorage\n)R.", "contains an object of torch.FloatStorage"),
        Arguments.of("ctorch._utils\n_rebuild_tensor_v2\n)R.", "a call with 0 arguments"),
        Arguments.of(
            "ctorch._utils\n_rebuild_parameter\nN\u0085R.", "the tensor of a parameter is None"),
        Arguments.of("K\u0001Q.", "the description of a storage is a number"),
        Arguments.of("}K\u0001b0", "ends too early"),
        Arguments.of("K\u0001}b.", "the object that gets attributes is a number"),
        Arguments.of("0.", "needs a value, but the stack is empty"),
        Arguments.of("(.", "needs a value, but there is a mark"),
        Arguments.of("t.", "needs a mark, but there is none"),
        Arguments.of("h\u0007.", "refers to value 7"),
        Arguments.of("X\u00ff\u00ff\u00ff\u007fa.", "a value of 2147483647 bytes"),
        Arguments.of(
            "\u008e\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ff\u00ffa.",
            "a value of 18446744073709551615 bytes"),
        Arguments.of("X\u0000\u0000\u0001\u0000a.", "expected 65536 more bytes, it has 2"),
        Arguments.of("}(U\u0001aK\u0001U\u0001aK\u0002u.", "the key a occurs twice"),
        Arguments.of("}(U\u0001au.", "a key without a value"),
        Arguments.of("\u0080\u0009.", "protocol 9"),
        Arguments.of( // a list that holds itself, as a key
            "]q\u0000h\u0000a}h\u0000Ns.", "no state dict at its top level"));
  }

  @ParameterizedTest
  @MethodSource("programs")
  void executesNothing(String program, String complaint) throws IOException {
    Path file = folder.resolve("program.pt");
    Files.write(file, zip(Map.of("a/data.pkl", program.getBytes(StandardCharsets.ISO_8859_1))));
    assertThatThrownBy(() -> Checkpoint.read(file))
        .isInstanceOf(IOException.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(complaint);
  }

  @Test
  void boundsTheWorkOfAProgram() throws IOException {
    Path file = folder.resolve("long.pt");
    byte[] program = new byte[6_000_000];
    Arrays.fill(program, (byte) '}');
    Files.write(file, zip(Map.of("a/data.pkl", program)));
    assertThatThrownBy(() -> Checkpoint.read(file))
        .hasMessageContaining("a pickle of more than 5000000 instructions");
  }

  /**
   * A few bytes that describe a list whose text is longer than any memory, or without an end: where
   * another object is expected, it is not written out.
   */
  @ParameterizedTest
  @ValueSource(strings = {"laughs", "mutual", "deep"})
  void boundsTheWorkOfAMessage(String kind) throws IOException {
    StringBuilder program = new StringBuilder("\u0080\u0002");
    switch (kind) {
      case "laughs" -> { // a list of ten lists of ten lists ...
        program.append("]q\u0000");
        for (char i = 1; i <= 60; i++) {
          program.append("](").append(("h" + (char) (i - 1)).repeat(10)).append("eq").append(i);
        }
      }
      case "mutual" -> program.append("}q\u0000}q\u0001U\u0001ah\u0000s0U\u0001bh\u0001s");
      default -> program.append("]".repeat(100_000)).append("a".repeat(99_999));
    }
    Path file = folder.resolve("bomb.pth");
    String magic = "\u0080\u0002\u008a\nl\u00fc\u009cF\u00f9 j\u00a8P\u0019.";
    Files.write(file, (magic + program + ".").getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> Checkpoint.read(file))
        .isInstanceOf(IOException.class)
        .hasMessageContaining(
            "expected protocol 1001, got " + (kind.equals("mutual") ? "a dict" : "a list"));
  }

  /** Dicts are copied from lists; a list that is passed again and again is more than its bytes. */
  @Test
  void boundsTheWorkOfCalls() throws IOException {
    Path file = folder.resolve("copies.pt");
    String pair = "]N\u0086"; // a tuple of a list and None
    String program =
        "ccollections\nOrderedDict\nq\u0000]q\u0001("
            + pair.repeat(1000)
            + "e0"
            + "h\u0000h\u0001\u0085R0".repeat(100_000)
            + "N.";
    Files.write(file, zip(Map.of("a/data.pkl", program.getBytes(StandardCharsets.ISO_8859_1))));
    assertThatThrownBy(() -> Checkpoint.read(file))
        .hasMessageContaining("passes the same lists to many calls");
  }

  /** A tensor of the storage "0", six floats: what its description must be to be believed. */
  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "6 | 0 | 2 3 | 3 1 | 24 |",
        "6 | 0 | 2 3 | 3 1 | 23 | entry a/data/0 has 23 bytes, expected 24",
        "6 | 0 | 2 3 | 3 1 | 25 | entry a/data/0 has 25 bytes, expected 24",
        "6 | 0 | 2 3 | 4 1 | 24 | a tensor extends to value 6 of storage 0, which has 6",
        "6 | 1 | 2 3 | 3 1 | 24 | a tensor extends to value 6 of storage 0, which has 6",
        "6 | 7 | 0 3 | 3 1 | 24 | a tensor extends to value 9 of storage 0, which has 6",
        "6 | 0 | 2 3 | 3   | 24 | a tensor of 2 dimensions with 1 strides",
        "6 | 0 | -2 3 | 3 1 | 24 | the shape of a tensor is -2",
        "6 | 0 | 2 3 | -3 1 | 24 | the strides of a tensor is -3",
        "6 | -1 | 2 3 | 3 1 | 24 | the offset of a tensor is -1",
        "6 | 0 | 4611686018427387904 4 | 0 0 | 24 | the shape of a tensor is too large",
        "6 | 0 | 4611686018427387904 4 0 | 0 0 0 | 24 | the shape of a tensor" + " is too large",
        "6 | 0 | 3 3 | 9223372036854775807 1 | 24 | the shape of a tensor is too large",
        "500000000000 | 0 | 2 3 | 3 1 | 24 | storage 0 is larger than 2 GiB",
        "500000000 | 0 | 2 3 | 3 1 | 24 | entry a/data/0 has 24 bytes, expected 2000000000"
      })
  void checksEveryView(
      String count, String offset, String sizes, String strides, int bytes, String complaint)
      throws IOException {
    String program =
        "}U\u0001wctorch._utils\n_rebuild_tensor_v2\n((U\u0007storagectorch\nFloatStorage\n"
            + "U\u00010U\u0003cpuI"
            + count
            + "\ntQI"
            + offset
            + "\n("
            + numbers(sizes)
            + "t("
            + numbers(strides)
            + "t\u0089NtRs.";
    Path file = folder.resolve("view.pt");
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", program.getBytes(StandardCharsets.ISO_8859_1));
    entries.put("a/data/0", new byte[bytes]);
    Files.write(file, zip(entries));
    try (PointerScope scope = new PointerScope()) {
      if (complaint == null) {
        assertThat(Checkpoint.read(file).tensors().get("w").shape()).isEqualTo(new long[] {2, 3});
      } else {
        assertThatThrownBy(() -> Checkpoint.read(file))
            .hasMessageStartingWith(file.toString())
            .hasMessageContaining(complaint);
      }
    }
  }

  /** PyTorch 0.x under Python 2: text of bytes, an OrderedDict made of pairs, the older function. */
  @Test
  void readsWhatPythonTwoWrote() throws IOException {
    String program =
        "ccollections\nOrderedDict\n(]]U\u0001wa"
            + "ctorch._utils\n_rebuild_tensor\n((U\u0007storagectorch\nFloatStorage\n"
            + "U\u00010U\u0003cpuK\u0002tQK\u0000K\u0002\u0085K\u0001\u0085tR"
            + "aatR.";
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", program.getBytes(StandardCharsets.ISO_8859_1));
    entries.put("a/data/0", new byte[] {0, 0, (byte) 0x80, 0x3f, 0, 0, 0, 0x40});
    Path file = folder.resolve("two.pt");
    Files.write(file, zip(entries));
    try (PointerScope scope = new PointerScope()) {
      assertThat(values(Checkpoint.read(file).tensors().get("w"))).containsExactly(1, 2);
    }
  }

  private static String numbers(String spaced) {
    return Stream.of(spaced.split(" "))
        .map(number -> "I" + number + "\n")
        .reduce("", String::concat);
  }

  @Test
  void refusesAZipBomb() throws IOException {
    Path file = folder.resolve("bomb.pt");
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      zip.putNextEntry(new ZipEntry("a/data.pkl"));
      zip.write(new byte[50_000_000]);
    }
    Files.write(file, bytes.toByteArray());
    assertThatThrownBy(() -> Checkpoint.read(file))
        .hasMessageContaining("bomb.pt: entry a/data.pkl is compressed");
  }

  /** Entries whose bytes are those of another one: small in the file, large when read. */
  @Test
  void refusesOverlappingEntries() throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    entries.put("a/data.pkl", "}.".getBytes(StandardCharsets.UTF_8));
    entries.put("a/data/0", new byte[1000]);
    entries.put("a/data/1", new byte[0]);
    byte[] bytes = zip(entries);
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    List<Integer> central = new ArrayList<>();
    for (int i = 0; i + 4 <= bytes.length; i++) {
      if (buffer.getInt(i) == 0x02014b50) {
        central.add(i);
      }
    }
    assertThat(central).hasSize(3);
    for (int field : new int[] {16, 20, 24, 42}) { // checksum, lengths, place
      buffer.putInt(central.get(2) + field, buffer.getInt(central.get(1) + field));
    }
    Path file = folder.resolve("overlap.pt");
    Files.write(file, bytes);
    assertThatThrownBy(() -> Checkpoint.read(file))
        .hasMessageContaining("entry a/data/1 goes beyond the")
        .hasMessageContaining("or overlaps another");
  }

  @Test
  void refusesTheOtherByteOrder() throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>(entries(resource("bare.zip.pt")));
    String folderName = entries.keySet().iterator().next().split("/")[0];
    entries.put(folderName + "/byteorder", "big".getBytes(StandardCharsets.UTF_8));
    Path file = folder.resolve("big.pt");
    Files.write(file, zip(entries));
    assertThatThrownBy(() -> Checkpoint.read(file)).hasMessageContaining("byte order is big");
    entries.put(folderName + "/byteorder", "little".getBytes(StandardCharsets.UTF_8));
    Files.write(file, zip(entries));
    try (PointerScope scope = new PointerScope()) {
      assertThat(Checkpoint.read(file).tensors()).containsKey("conv.weight");
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"training.zip.pt", "training.legacy.pth"})
  void refusesEveryTruncation(String name) throws IOException {
    byte[] whole = Files.readAllBytes(resource(name));
    Path file = folder.resolve("short.pt");
    for (int length = 0; length < whole.length; length += length < 2000 ? 7 : 31) {
      Files.write(file, Arrays.copyOf(whole, length));
      assertThatThrownBy(() -> Checkpoint.read(file))
          .as("%d bytes", length)
          .isInstanceOf(IOException.class)
          .hasMessageStartingWith(file.toString());
    }
  }

  @Test
  void saysWhenItIsNoWeights() throws IOException {
    Path file = folder.resolve("letter.pt");
    Files.writeString(file, "Dear Sir or Madam, enclosed find my weights.");
    assertThatThrownBy(() -> Checkpoint.read(file)).hasMessage(file + ": is text, not weights");
  }

  static Map<String, byte[]> entries(Path file) throws IOException {
    Map<String, byte[]> entries = new LinkedHashMap<>();
    try (ZipFile zip = new ZipFile(file.toFile())) {
      for (ZipEntry entry : (Iterable<ZipEntry>) zip.stream().map(ZipEntry.class::cast)::iterator) {
        entries.put(entry.getName(), zip.getInputStream(entry).readAllBytes());
      }
    }
    return entries;
  }

  static byte[] zip(Map<String, byte[]> entries) throws IOException {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
      for (Map.Entry<String, byte[]> content : entries.entrySet()) {
        ZipEntry entry = new ZipEntry(content.getKey());
        CRC32 checksum = new CRC32();
        checksum.update(content.getValue());
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(content.getValue().length);
        entry.setCrc(checksum.getValue());
        zip.putNextEntry(entry);
        zip.write(content.getValue());
      }
    }
    return bytes.toByteArray();
  }
}
