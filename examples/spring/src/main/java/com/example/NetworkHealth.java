package com.example;

import io.fovea.Run;
import org.springframework.boot.health.contributor.Health;
import org.springframework.boot.health.contributor.HealthIndicator;
import org.springframework.stereotype.Component;

/** Tells in /actuator/health which network answers. */
@Component("network")
class NetworkHealth implements HealthIndicator {
  private final Run run;

  NetworkHealth(Run run) {
    this.run = run;
  }

  @Override
  public Health health() {
    return Health.up()
        .withDetail("network", run.toString())
        .withDetail("parameters", run.parameters())
        .build();
  }
}
