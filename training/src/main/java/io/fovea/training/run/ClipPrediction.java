package io.fovea.training.run;

import io.fovea.data.DataException;
import io.fovea.data.video.Sampling;
import io.fovea.data.video.VideoSource;
import io.fovea.models.Classifier;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * What a network sees in a part of a video.
 *
 * @param first the part's first frame, counted from 0
 * @param last its last
 * @param predictions all classes, the most probable first
 */
public record ClipPrediction(int first, int last, List<Prediction> predictions) {
  /**
   * Goes over a video, clip after clip, each beginning where the one before ended; the last ends with the
   * video.
   *
   * @param network in evaluation mode, for video
   * @param video of any length; one that is shorter than a clip stands still at its end
   * @param data what the network was trained on
   * @return at least one
   * @throws DataException if a frame cannot be read
   */
  public static List<ClipPrediction> over(
      Classifier network, VideoSource video, RunFolder.Data data) {
    Sampling sampling = data.spec().sampling();
    int span = sampling.span();
    List<ClipPrediction> moments = new ArrayList<>();
    double[] positions =
        IntStream.range(0, sampling.crops()).mapToDouble(sampling::position).toArray();
    try (VideoSource.Reader reader = video.reader()) {
      for (int from = 0; from == 0 || from < video.length(); from += span) {
        int start = Math.max(0, Math.min(from, video.length() - span));
        int[] indices = sampling.indices(start, video.length());
        double[] probabilities = new double[data.classes().size()];
        for (byte[] clip : reader.clips(indices, network.channels(), data.size(), positions)) {
          for (Prediction each : Prediction.of(network, clip, data)) {
            probabilities[each.label()] += each.probability() / sampling.crops();
          }
        }
        int last = Math.min(video.length(), start + span) - 1;
        moments.add(
            new ClipPrediction(start, last, Prediction.ranked(data.classes(), probabilities)));
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
