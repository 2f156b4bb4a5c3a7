package com.example;

import io.fovea.Run;
import java.nio.file.Path;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;

/** A service that classifies images with a network of Fovea's. */
@SpringBootApplication
public class ClassifierService {
  /** Starts the service: {@code --fovea.run=FOLDER --server.port=8080}. */
  public static void main(String[] arguments) {
    SpringApplication.run(ClassifierService.class, arguments);
  }

  /** One network for all requests, which is closed when the service stops. */
  @Bean(destroyMethod = "close")
  Run run(@Value("${fovea.run}") Path folder) {
    return Run.open(folder);
  }
}
