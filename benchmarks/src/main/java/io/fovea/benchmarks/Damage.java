package io.fovea.benchmarks;

import java.io.ByteArrayOutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Changes a file at random: its bytes, its numbers, or the words of its text. The same seed gives the same bytes. */
final class Damage {
  /** The opcodes of pickles that make something. */
  private static final byte[] OPCODES =
      "(0123.NIJKLMFGXUTCBqrhjcRQbioPSV)tld}eaus]\u0080\u0081\u0085\u0086\u0087\u0088\u0089\u008a\u008b"
          .getBytes(StandardCharsets.ISO_8859_1);

  private static final long[] NUMBERS = {
    0,
    1,
    -1,
    2,
    127,
    128,
    255,
    256,
    32_767,
    65_535,
    1L << 20,
    Integer.MAX_VALUE,
    Integer.MIN_VALUE,
    0xffff_ffffL,
    1L << 40,
    Long.MAX_VALUE,
    Long.MIN_VALUE
  };

  /** What stands in place of a word, a number or a string. */
  private static final List<String> WORDS =
      List.of(
          "0",
          "-1",
          "1",
          "2",
          "65536",
          "2147483647",
          "2147483648",
          "-9223372036854775808",
          "1e308",
          "1e-320",
          "0.5",
          "NaN",
          "-Infinity",
          "null",
          "true",
          "\"\"",
          "\"x\"",
          "\"../../../../etc/passwd\"",
          "\"/dev/zero\"",
          "\"C:\\\\Users\\\\me\\\\images\"",
          "\"http://127.0.0.1:1/x\"",
          "\"fashion-mnist-sample\"",
          "\"resnet18\"",
          "\"nonlocal:mode=gaussian\"",
          "\"se:reduction=0\"",
          "\"\\u0000\"",
          "\"\\ud83d\\ude00\"",
          "[]",
          "{}",
          "[[]]",
          "[1,2,3]",
          "{\"a\":1}");

  private static final Pattern TOKEN =
      Pattern.compile("\"[^\"\\n]*\"|-?[0-9][0-9.eE+-]*|[A-Za-z_][\\w-]*|[\\[\\]{}:,=#|]");

  private Damage() {}

  /**
   * Damages a file of any format.
   *
   * @param original its bytes
   * @param other another file of the format, a piece of which may be put in
   */
  static byte[] bytes(byte[] original, byte[] other, Random random) {
    byte[] bytes = original.clone();
    int changes = 1 + random.nextInt(4);
    for (int i = 0; i < changes && bytes.length > 0; i++) {
      int at = at(bytes.length, random);
      switch (random.nextInt(11)) {
        case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
        case 1 -> bytes[at] = (byte) random.nextInt(256);
        case 2 -> bytes[at] = OPCODES[random.nextInt(OPCODES.length)];
        case 3 -> bytes[at] = (byte) ('0' + random.nextInt(10)); // still a number
        case 4 -> Arrays.fill(bytes, at, Math.min(bytes.length, at + 8), (byte) 0xff);
        case 5 -> bytes = Arrays.copyOf(bytes, at);
        case 6 -> bytes = spliced(bytes, at, bytes, at, at + random.nextInt(64), at);
        case 7 -> bytes = spliced(bytes, at, bytes, 0, 0, at + random.nextInt(9));
        case 8 -> {
          int from = other.length == 0 ? 0 : random.nextInt(other.length);
          bytes = spliced(bytes, at, other, from, from + random.nextInt(256), at);
        }
        default -> number(bytes, at, random);
      }
    }
    return bytes;
  }

  /** A place in a file; half of them are in its first 512 bytes, where headers are. */
  private static int at(int length, Random random) {
    return random.nextInt(random.nextBoolean() ? Math.min(length, 512) : length);
  }

  private static void number(byte[] bytes, int at, Random random) {
    ByteBuffer buffer =
        ByteBuffer.wrap(bytes)
            .order(random.nextBoolean() ? ByteOrder.BIG_ENDIAN : ByteOrder.LITTLE_ENDIAN);
    long value = NUMBERS[random.nextInt(NUMBERS.length)];
    switch (random.nextInt(3)) {
      case 0 -> {
        if (at + 2 <= bytes.length) {
          buffer.putShort(at, (short) value);
        }
      }
      case 1 -> {
        if (at + 4 <= bytes.length) {
          buffer.putInt(at, (int) value);
        }
      }
      default -> {
        if (at + 8 <= bytes.length) {
          buffer.putLong(at, value);
        }
      }
    }
  }

  /** The bytes before {@code end}, a piece of another file, then the bytes from {@code resume}. */
  private static byte[] spliced(byte[] bytes, int end, byte[] piece, int from, int to, int resume) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(bytes, 0, end);
    int stop = Math.min(piece.length, to);
    out.write(piece, from, Math.max(0, stop - from));
    int start = Math.min(bytes.length, resume);
    out.write(bytes, start, bytes.length - start);
    return out.toByteArray();
  }

  /** Damages a text: words and lines are replaced, repeated or left out; sometimes the bytes. */
  static byte[] text(byte[] original, byte[] other, Random random) {
    if (random.nextInt(4) == 0) {
      return bytes(original, other, random);
    }
    String text = new String(original, StandardCharsets.UTF_8);
    int changes = 1 + random.nextInt(3);
    for (int i = 0; i < changes; i++) {
      text =
          switch (random.nextInt(8)) {
            case 0 -> line(text, random, true);
            case 1 -> line(text, random, false);
            case 2 -> token(text, "[".repeat(1 + random.nextInt(3000)), random);
            case 3 -> token(text, "\"" + "a".repeat(random.nextInt(5000)) + "\"", random);
            case 4 -> token(text, "", random);
            default -> token(text, WORDS.get(random.nextInt(WORDS.size())), random);
          };
    }
    return text.getBytes(StandardCharsets.UTF_8);
  }

  private static String line(String text, Random random, boolean repeat) {
    List<String> lines = new ArrayList<>(text.lines().toList());
    if (lines.isEmpty()) {
      return text;
    }
    int at = random.nextInt(lines.size());
    if (repeat) {
      lines.add(random.nextInt(lines.size()), lines.get(at));
    } else {
      lines.remove(at);
    }
    return String.join("\n", lines) + "\n";
  }

  private static String token(String text, String word, Random random) {
    Matcher matcher = TOKEN.matcher(text);
    int count = 0;
    while (matcher.find()) {
      count++;
    }
    if (count == 0) {
      return text + word;
    }
    int wanted = random.nextInt(count);
    matcher.reset();
    for (int i = 0; i <= wanted; i++) {
      matcher.find();
    }
    return text.substring(0, matcher.start()) + word + text.substring(matcher.end());
  }
}
