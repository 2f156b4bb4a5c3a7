package io.fovea.training.evaluate;

import io.fovea.data.DataException;
import io.fovea.data.Image;
import io.fovea.data.source.Preprocessing;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;
import java.util.stream.IntStream;

/**
 * The prediction for a part of a video.
 *
 * @param first the first frame of the part, counted from 0
 * @param last the last frame of the part
 * @param from the time of its beginning in seconds; NaN if the frames have no times
 * @param to the time of its end in seconds
 * @param predictions all classes, the most probable first
 */
public record ClipPrediction(
    int first, int last, double from, double to, List<Prediction> predictions) {
  /**
   * Predicts the classes of a video clip by clip. Each clip begins at the end of the previous one;
   * the last one ends with the video.
   *
   * @param video the video, of any length; if it is shorter than a clip, its last frame is repeated
   * @param preprocessing the preprocessing of the training
   * @param classify predicts the classes of a clip
   * @return the predictions, at least one
   * @throws DataException if a frame cannot be read
   */
  public static List<ClipPrediction> over(
      VideoSource video, Preprocessing preprocessing, Function<Image, List<Prediction>> classify) {
    Sampling sampling = preprocessing.sampling();
    int span = sampling.span();
    List<ClipPrediction> moments = new ArrayList<>();
    double[] positions =
        IntStream.range(0, sampling.crops()).mapToDouble(sampling::position).toArray();
    try (VideoSource.Reader reader = video.reader()) {
      for (int from = 0; from == 0 || from < video.length(); from += span) {
        int start = Math.max(0, Math.min(from, video.length() - span));
        int[] indices = sampling.indices(start, video.length());
        double[] probabilities = new double[preprocessing.classes().size()];
        List<Image> clips =
            reader.clips(indices, preprocessing.channels(), preprocessing.size(), positions);
        for (Image clip : clips) {
          for (Prediction each : classify.apply(clip)) {
            probabilities[each.label()] += each.probability() / sampling.crops();
          }
        }
        int last = Math.min(video.length(), start + span) - 1;
        moments.add(
            new ClipPrediction(
                start,
                last,
                video.seconds(start),
                video.seconds(last + 1),
                Prediction.ranked(preprocessing.classes(), probabilities)));
      }
    }
    return moments;
  }

  /** The mean over the parts: the prediction for the whole video. */
  public static List<Prediction> mean(List<ClipPrediction> moments, List<String> classes) {
    double[] probabilities = new double[classes.size()];
    for (ClipPrediction moment : moments) {
      moment.predictions.forEach(p -> probabilities[p.label()] += p.probability() / moments.size());
    }
    return Prediction.ranked(classes, probabilities);
  }
}
