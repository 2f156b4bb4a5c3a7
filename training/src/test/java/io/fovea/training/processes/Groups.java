package io.fovea.training.processes;

import io.fovea.tensor.Threads;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.ServerSocket;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.function.Function;

/** Groups whose members are threads of one process, connected as processes are. */
public final class Groups {
  private static final Duration PATIENCE = Duration.ofMinutes(5);

  private Groups() {}

  /** Calls as each member of a new group at once, and returns the results by rank. */
  public static <T> List<T> of(int size, Function<Group, T> body) {
    int port = freePort();
    ExecutorService pool = Executors.newFixedThreadPool(size);
    try {
      List<CompletableFuture<T>> members = new ArrayList<>();
      for (int i = 0; i < size; i++) {
        Launch launch = new Launch(i, size, i, size, "127.0.0.1", port, "", false);
        members.add(
            CompletableFuture.supplyAsync(
                () -> {
                  Threads.set(1);
                  return body.apply(Group.join(launch, PATIENCE));
                },
                pool));
      }
      return members.stream().map(CompletableFuture::join).toList();
    } catch (CompletionException e) {
      throw e.getCause() instanceof RuntimeException cause ? cause : e;
    } finally {
      pool.shutdownNow();
    }
  }

  static int freePort() {
    try (ServerSocket socket = new ServerSocket(0)) {
      return socket.getLocalPort();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
