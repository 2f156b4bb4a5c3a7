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
 * What a network sees in a part of a video.
 *
 * @param first the part's first frame, counted from 0
 * @param last its last
 * @param from when it begins, in seconds; NaN if the frames have no times
 * @param to when it ends
 * @param predictions all classes, the most probable first
 */
public record ClipPrediction(
    int first, int last, double from, double to, List<Prediction> predictions) {
  /**
   * Goes over a video, clip after clip, each beginning where the one before ended; the last ends with the
   * video.
   *
   * @param video of any length; one that is shorter than a clip stands still at its end
   * @param preprocessing as in training
   * @param classify what a network makes of a clip
   * @return at least one
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

  /** The mean over moments: what the video is taken for as a whole. */
  public static List<Prediction> mean(List<ClipPrediction> moments, List<String> classes) {
    double[] probabilities = new double[classes.size()];
    for (ClipPrediction moment : moments) {
      moment.predictions.forEach(p -> probabilities[p.label()] += p.probability() / moments.size());
    }
    return Prediction.ranked(classes, probabilities);
  }
}
