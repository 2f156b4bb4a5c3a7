package com.example;

import io.fovea.Prediction;
import io.fovea.Run;
import io.fovea.errors.FoveaException;
import io.micrometer.core.instrument.MeterRegistry;
import io.micrometer.core.instrument.Timer;
import java.io.IOException;
import java.util.List;
import java.util.Map;
import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.multipart.MultipartFile;

/** Images in, classes out. */
@RestController
class PredictionController {
  private final Run run;
  private final Timer timer;

  PredictionController(Run run, MeterRegistry metrics) {
    this.run = run;
    timer = metrics.timer("fovea.predictions");
  }

  /** The classes of the network, in the order of its scores. */
  @GetMapping("/classes")
  List<String> classes() {
    return run.classes();
  }

  /** The most probable classes of an image: {@code curl -F image=@boot.jpg HOST/predict}. */
  @PostMapping("/predict")
  Map<String, List<Prediction.Scored>> predict(
      @RequestParam MultipartFile image, @RequestParam(defaultValue = "3") int top)
      throws IOException {
    byte[] content = image.getBytes();
    return Map.of("classes", timer.record(() -> run.predict(content)).top(top));
  }

  /** What is no image is the client's mistake. */
  @ExceptionHandler
  ProblemDetail unreadable(FoveaException e) {
    return ProblemDetail.forStatusAndDetail(HttpStatus.UNPROCESSABLE_ENTITY, e.getMessage());
  }
}
