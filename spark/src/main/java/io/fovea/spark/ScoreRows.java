package io.fovea.spark;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.image.Images;
import io.fovea.data.source.Preprocessing;
import io.fovea.models.Classifier;
import io.fovea.training.Predictor;
import io.fovea.training.Predictor.Result;
import io.fovea.training.Tasks;
import io.fovea.training.evaluate.Prediction;
import io.fovea.training.evaluate.TestTimeAugmentation;
import java.io.File;
import java.io.FileInputStream;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.Iterator;
import java.util.List;
import org.apache.hadoop.fs.FSDataInputStream;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.LocalFileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.hadoop.security.AccessControlException;
import org.apache.spark.TaskContext;
import org.apache.spark.api.java.function.MapPartitionsFunction;
import org.apache.spark.sql.Row;
import org.apache.spark.sql.RowFactory;
import org.apache.spark.util.SerializableConfiguration;
import org.bytedeco.pytorch.Tensor;

/** Predicts the images of a partition, batch by batch, in the thread of its task. */
final class ScoreRows implements MapPartitionsFunction<Row, Row> {
  private static final long serialVersionUID = 1;

  /** Of a file without content in its row; no image of 100 megapixels is as large. */
  private static final long LARGEST_FILE = 1L << 29;

  private final ShippedModel model;
  private final SerializableConfiguration hadoop;
  private final int path;
  private final int content;
  private final int[] kept;
  private final int top;
  private final int batch;
  private final boolean embedding;

  /**
   * Creates the function.
   *
   * @param hadoop how file systems are reached
   * @param path the index of the column with the path
   * @param content the index of the column with the content; negative if files are opened here
   * @param kept the indices of the columns that the result begins with
   */
  ScoreRows(
      ShippedModel model,
      SerializableConfiguration hadoop,
      int path,
      int content,
      int[] kept,
      int top,
      int batch,
      boolean embedding) {
    this.model = model;
    this.hadoop = hadoop;
    this.path = path;
    this.content = content;
    this.kept = kept;
    this.top = top;
    this.batch = batch;
    this.embedding = embedding;
  }

  @Override
  public Iterator<Row> call(Iterator<Row> rows) {
    TaskContext task = TaskContext.get();
    ExecutorModel network = ExecutorModel.open(model, task.cpus());
    task.addTaskCompletionListener(
        context -> {
          network.close();
        });
    Preprocessing preprocessing = network.preprocessing();
    Deque<float[]> embeddings = new ArrayDeque<>(); // of the images that could be read, in order
    Predictor predictor =
        new Predictor(
            Tasks.CLASSIFICATION,
            embedding ? x -> withEmbedding(network, x, embeddings) : network.scores(),
            preprocessing,
            TestTimeAugmentation.WHOLE,
            batch);
    task.addTaskCompletionListener(
        context -> {
          predictor.close();
        });
    Iterator<Result<Row>> results = predictor.results(rows, row -> read(row, preprocessing));
    return new Iterator<>() {
      @Override
      public boolean hasNext() {
        return results.hasNext();
      }

      @Override
      public Row next() {
        return scored(results.next(), embeddings);
      }
    };
  }

  private static Tensor withEmbedding(ExecutorModel network, Tensor x, Deque<float[]> embeddings) {
    return Classifier.embedding(
        features -> {
          int length = (int) features.size(1);
          FloatBuffer values = features.contiguous().createBuffer();
          while (values.hasRemaining()) {
            float[] one = new float[length];
            values.get(one);
            embeddings.add(one);
          }
        },
        () -> network.scores().apply(x));
  }

  private Image read(Row row, Preprocessing preprocessing) {
    if (row.isNullAt(path) && content < 0) {
      throw new DataException("the path is null");
    }
    if (content >= 0 && row.isNullAt(content)) {
      throw new DataException("the content is null");
    }
    byte[] bytes = content >= 0 ? row.getAs(content) : file(row.getString(path));
    return preprocessing.decode(bytes, Images.MAX_PIXELS);
  }

  /**
   * The content of a file. If it does not exist or must not be read, this will not change; all other
   * failures may, and Spark tries the task again.
   */
  private byte[] file(String name) {
    try {
      Path file = new Path(name);
      FileSystem files = file.getFileSystem(hadoop.value());
      if (files instanceof LocalFileSystem here) {
        File local = here.pathToFile(file); // Hadoop's checks and streams take longer than an image
        requireSize(local.length());
        try (InputStream in = new FileInputStream(local)) {
          return in.readAllBytes();
        }
      }
      long length = files.getFileStatus(file).getLen();
      requireSize(length);
      byte[] bytes = new byte[(int) length];
      try (FSDataInputStream in = files.open(file)) {
        in.readFully(0, bytes);
      }
      return bytes;
    } catch (FileNotFoundException | AccessControlException e) {
      throw new DataException("cannot be read: " + e.getMessage(), e);
    } catch (IllegalArgumentException e) {
      throw new DataException("no path: " + e.getMessage(), e);
    } catch (IOException e) {
      throw new UncheckedIOException(name + ": " + e.getMessage(), e);
    }
  }

  private static void requireSize(long length) {
    if (length > LARGEST_FILE) {
      throw new DataException("the file has " + length + " bytes, more than 512 MiB");
    }
  }

  private Row scored(Result<Row> result, Deque<float[]> embeddings) {
    Object[] values = new Object[kept.length + (embedding ? 5 : 4)];
    for (int i = 0; i < kept.length; i++) {
      values[i] = result.item().get(kept[i]);
    }
    if (result.failure() != null) {
      values[values.length - 1] = result.failure().getMessage();
      return RowFactory.create(values);
    }
    List<Prediction> ranked = result.predictions().ranked();
    values[kept.length] = ranked.get(0).name();
    values[kept.length + 1] = ranked.get(0).probability();
    values[kept.length + 2] =
        ranked.stream()
            .limit(top)
            .map(one -> RowFactory.create(one.name(), one.probability()))
            .toArray(Row[]::new);
    if (embedding) {
      values[kept.length + 3] = embeddings.remove();
    }
    return RowFactory.create(values);
  }
}
