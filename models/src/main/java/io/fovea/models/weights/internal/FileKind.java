package io.fovea.models.weights.internal;

import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.AccessDeniedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;

/** Tells what a file is by its first bytes, to say it to a user who gave the wrong one. */
public final class FileKind {
  private static final int LENGTH = 64;

  private FileKind() {}

  /**
   * Reads the first bytes of a file.
   *
   * @throws IOException if it is not there, is a folder or cannot be read; the message says so
   */
  public static byte[] beginning(Path file) throws IOException {
    if (Files.isDirectory(file)) {
      throw new IOException(file + ": is a folder, expected a file with weights");
    }
    if (!Files.exists(file)) {
      throw new IOException(file + ": is not there");
    }
    try (InputStream in = Files.newInputStream(file)) {
      return in.readNBytes(LENGTH);
    } catch (AccessDeniedException e) {
      throw new IOException(file + ": may not be read", e);
    }
  }

  /**
   * Refuses a file that is known to be something else than weights of PyTorch or safetensors.
   *
   * @throws IOException if it is; the message says what it is
   */
  public static void refuseOthers(Path file, byte[] beginning) throws IOException {
    String text = new String(beginning, StandardCharsets.ISO_8859_1);
    String start = text.stripLeading().toLowerCase(Locale.ROOT);
    String kind = null;
    if (beginning.length == 0) {
      kind = "is empty";
    } else if (text.startsWith("version https://git-lfs")) {
      kind = "is a pointer of Git LFS, not the file itself; fetch it with git lfs pull";
    } else if (start.startsWith("<!doctype") || start.startsWith("<html")) {
      kind = "is a web page, not the file that its address was meant to give";
    } else if (text.startsWith("\u001f\u008b")) {
      kind = "is compressed by gzip; unpack it first";
    } else if (text.startsWith("\u0089HDF")) {
      kind = "is an HDF5 file, as Keras writes them; only weights of PyTorch are read";
    } else if (text.startsWith("\u0093NUMPY")) {
      kind = "is an array of NumPy; only weights of PyTorch are read";
    } else if (text.startsWith("GGUF")) {
      kind = "is a GGUF file; only weights of PyTorch are read";
    } else if (text.startsWith("{") || text.startsWith("[")) {
      kind = "is JSON, not weights";
    } else if (file.toString().endsWith(".onnx")) {
      kind = "is an ONNX file; only weights of PyTorch are read";
    } else if (file.toString().endsWith(".pb")) {
      kind = "is a file of TensorFlow; only weights of PyTorch are read";
    } else if (file.toString().endsWith(".tar")
        || (text.length() > 1 && isText(beginning) && !file.toString().endsWith(".safetensors"))) {
      kind = isText(beginning) ? "is text, not weights" : "is a tar file; unpack it first";
    }
    if (kind != null) {
      throw new IOException(file + ": " + kind);
    }
  }

  private static boolean isText(byte[] bytes) {
    for (byte each : bytes) {
      if (each < ' ' && each != '\n' && each != '\r' && each != '\t') {
        return false;
      }
    }
    return true;
  }
}
