package io.fovea.training.search;

import com.fasterxml.jackson.annotation.JsonAutoDetect;
import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import io.fovea.data.DataException;
import io.fovea.models.placement.PlacedAttention;
import io.fovea.training.run.FolderLock;
import io.fovea.training.run.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;

/**
 * What happened in a search so far, {@code search.json}: with the files of the trainings it is all
 * that an interrupted search needs to go on. Written after each event; not thread-safe.
 */
@JsonAutoDetect(fieldVisibility = Visibility.ANY, getterVisibility = Visibility.NONE)
final class Journal {
  /** What happened to a training of the race. */
  enum What {
    STARTED,
    REACHED,
    FAILED,
    /** It ran out of time before its rung. */
    STOPPED
  }

  /** An event of the race. */
  record Event(What what, String candidate, int rung, String reason) {
    private boolean isWhole(Set<String> names, int rungs) {
      return what != null
          && candidate != null
          && names.contains(candidate)
          && rung >= 0
          && rung < rungs;
    }
  }

  /** The settings, which must be the same when the search goes on. */
  AttentionSearch.Settings settings;

  /** The networks with their costs, as they were measured first. */
  Candidates candidates;

  /** Estimated before the race began. */
  double secondsOfEpoch;

  /** The time that the search has taken so far. */
  double seconds;

  /** The events of the race in their order. */
  List<Event> events = new ArrayList<>();

  /** The finalists, once the race has ended; null before. */
  List<String> finalists;

  /** The finalists whose training failed in the final, with the reason. */
  Map<String, String> withdrawn = new LinkedHashMap<>();

  /** The time for a batch of finalists and baseline, in milliseconds. */
  Map<String, Double> latencyBatchMs = new LinkedHashMap<>();

  /** Whether the search has ended. */
  boolean complete;

  static Path file(Path folder) {
    return folder.resolve("search.json");
  }

  static boolean exists(Path folder) {
    return Files.exists(file(folder));
  }

  /**
   * Reads a journal.
   *
   * @throws DataException if it is damaged
   */
  static Journal read(Path folder) {
    return Json.read(file(folder), Journal.class);
  }

  /**
   * Whether it has everything that a search goes on from, and names only what takes part.
   *
   * @param rungs the number of rungs
   */
  boolean isWhole(int rungs) {
    if (settings == null || candidates == null || events == null || withdrawn == null) {
      return false;
    }
    Set<String> names = candidates.names();
    return !names.isEmpty()
        && events.stream().allMatch(event -> event != null && event.isWhole(names, rungs))
        && (finalists == null || areFinalists())
        && latencyBatchMs != null
        && !latencyBatchMs.containsValue(null);
  }

  /** Whether the finalists reached a rung, and each is there once. */
  private boolean areFinalists() {
    Set<String> could =
        events.stream()
            .filter(event -> event.what == What.REACHED)
            .map(Event::candidate)
            .filter(candidate -> !candidate.equals(PlacedAttention.NONE))
            .collect(Collectors.toSet());
    return could.containsAll(finalists) && Set.copyOf(finalists).size() == finalists.size();
  }

  void write(Path folder) {
    try {
      Json.write(file(folder), this);
    } catch (IOException e) {
      throw new DataException(folder + ": cannot be written: " + FolderLock.reason(e), e);
    }
  }
}
