package io.fovea.data.source;

import io.fovea.data.DataException;
import io.fovea.data.Dataset;
import io.fovea.data.ImageDataset;
import io.fovea.data.LabelledImage;
import io.fovea.data.MaskedImage;
import io.fovea.data.Sample;
import io.fovea.data.TrainingData;
import java.io.IOException;
import java.io.RandomAccessFile;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.function.BiConsumer;
import java.util.zip.CRC32;

/**
 * Says which samples a result is of: two data sets have the same identity if they have the same
 * classes, and the same samples with the same content in the same parts. Where the folder is does
 * not matter.
 *
 * @param classes the names of the classes, in the order of the labels
 * @param train the number of training samples
 * @param test the number of test samples
 * @param checksum the first 16 hexadecimal digits of a SHA-256 over the classes, and over part,
 *     name, label, and size and CRC-32 of the files of each sample, sorted by name. Of a file of
 *     more than 64 MiB, the first and the last MiB are read. A sample in memory counts by its
 *     pixels.
 */
public record DataIdentity(List<String> classes, int train, int test, String checksum) {
  private static final long LARGE = 64L << 20;
  private static final int END = 1 << 20;
  private static final int DIGITS = 16;

  /** Copies the list. */
  public DataIdentity {
    classes = List.copyOf(classes);
  }

  /**
   * What the files of all samples show when they are read once.
   *
   * @param identity which samples these are
   * @param inBothParts the test samples whose file has the same content as that of a training sample
   */
  public record Contents(DataIdentity identity, List<Repeated> inBothParts) {
    /** Copies the list. */
    public Contents {
      inBothParts = List.copyOf(inBothParts);
    }
  }

  /**
   * A test sample that is a training sample, too.
   *
   * @param test the name of the test sample
   * @param train the name of the first training sample with the same content
   */
  public record Repeated(String test, String train) {}

  /** A file, or the frames of a video, that is compared with those of the other part. */
  private record Source(String id, List<Path> files) {
    boolean hasTheContentOf(Source other) {
      try {
        for (int i = 0; i < files.size(); i++) {
          if (Files.mismatch(files.get(i), other.files.get(i)) >= 0) {
            return false;
          }
        }
        return true;
      } catch (IOException e) {
        throw new DataException(id + ": cannot be read: " + e.getMessage(), e);
      }
    }
  }

  /**
   * Reads the files of all samples once.
   *
   * @throws DataException if a file cannot be read any more
   */
  public static DataIdentity of(TrainingData<?> data) {
    return contents(data).identity();
  }

  /**
   * Reads the files of all samples once, and those with the same size and checksum in both parts once
   * more.
   *
   * @throws DataException if a file cannot be read any more
   */
  public static Contents contents(TrainingData<?> data) {
    MessageDigest digest = sha256();
    data.classes().forEach(name -> add(digest, name));
    Map<String, List<Source>> train = new HashMap<>();
    add(
        digest,
        data.train(),
        "train",
        (sums, source) -> train.computeIfAbsent(sums, each -> new ArrayList<>()).add(source));
    List<Repeated> repeated = new ArrayList<>();
    add(
        digest,
        data.test(),
        "test",
        (sums, source) ->
            train.getOrDefault(sums, List.of()).stream()
                .filter(source::hasTheContentOf)
                .findFirst()
                .ifPresent(same -> repeated.add(new Repeated(source.id(), same.id()))));
    String all = HexFormat.of().formatHex(digest.digest());
    return new Contents(
        new DataIdentity(
            data.classes(), data.train().size(), data.test().size(), all.substring(0, DIGITS)),
        repeated);
  }

  private static void add(
      MessageDigest digest, Dataset<?> part, String name, BiConsumer<String, Source> sources) {
    String[] lines = new String[part.size()];
    byte[] buffer = new byte[END];
    for (int i = 0; i < lines.length; i++) {
      StringBuilder line = new StringBuilder(name).append('\t').append(part.id(i));
      List<Path> files = part.files(i);
      if (files.isEmpty()) {
        addPixels(line, part.sample(i));
      } else {
        line.append('\t').append(label(part, i));
        List<String> sums = new ArrayList<>();
        for (Path file : files) {
          sums.add(ofFile(file, buffer));
          line.append('\t').append(sums.get(sums.size() - 1));
        }
        // the mask of an image may be that of another one; a folder of frames is one video
        int compared = part instanceof ImageDataset ? files.size() : 1;
        sources.accept(
            String.join(" ", sums.subList(0, compared)),
            new Source(part.id(i), List.copyOf(files.subList(0, compared))));
      }
      lines[i] = line.toString();
    }
    Arrays.sort(lines);
    for (String line : lines) {
      add(digest, line);
    }
  }

  private static String label(Dataset<?> part, int index) {
    return part instanceof ImageDataset images ? Integer.toString(images.label(index)) : "";
  }

  private static void addPixels(StringBuilder line, Sample sample) {
    CRC32 crc = new CRC32();
    crc.update(sample.image().pixels());
    if (sample instanceof LabelledImage labelled) {
      line.append('\t').append(labelled.label());
    } else if (sample instanceof MaskedImage masked) {
      crc.update(masked.labels());
    }
    line.append('\t').append(crc.getValue());
  }

  private static String ofFile(Path file, byte[] buffer) {
    CRC32 crc = new CRC32();
    try (RandomAccessFile in = new RandomAccessFile(file.toFile(), "r")) {
      long size = in.length();
      boolean large = size > LARGE;
      update(crc, in, large ? END : size, buffer);
      if (large) {
        in.seek(size - END);
        update(crc, in, END, buffer);
      }
      return size + ":" + crc.getValue();
    } catch (IOException e) {
      throw new DataException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }

  private static void update(CRC32 crc, RandomAccessFile in, long bytes, byte[] buffer)
      throws IOException {
    long left = bytes;
    while (left > 0) {
      int count = in.read(buffer, 0, (int) Math.min(buffer.length, left));
      if (count < 0) {
        return; // the file became shorter, which changes the sum
      }
      crc.update(buffer, 0, count);
      left -= count;
    }
  }

  private static void add(MessageDigest digest, String text) {
    digest.update(text.getBytes(StandardCharsets.UTF_8));
    digest.update((byte) '\n');
  }

  private static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // every Java has it
    }
  }

  /**
   * Says what differs between the data of an earlier result and these.
   *
   * @param then the data of the earlier result, or null if it does not say
   * @return a text such as {@code 2 classes then, 4 now}; empty if nothing differs
   */
  public String difference(DataIdentity then) {
    if (then == null) {
      return "it does not say which samples it is of";
    }
    if (equals(then)) {
      return "";
    }
    if (then.classes.size() != classes.size()) {
      return then.classes.size() + " classes then, " + classes.size() + " now";
    }
    if (!then.classes.equals(classes)) {
      return "the classes " + then.classes + " then, " + classes + " now";
    }
    if (then.train != train || then.test != test) {
      return String.format(
          "%d training and %d test samples then, %d and %d now",
          then.train, then.test, train, test);
    }
    return "as many samples as then, but other files, other labels or another split";
  }
}
