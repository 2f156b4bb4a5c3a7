package io.fovea.training.processes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.tensor.Libtorch;
import java.io.IOException;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.bytedeco.javacpp.PointerScope;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class GroupTest {
  @TempDir Path folder;

  @Test
  void whatTheFirstProcessHasReachesAll() throws IOException {
    byte[] content = new byte[20_000_000]; // more than one message
    new Random(1).nextBytes(content);
    Path file = Files.write(folder.resolve("file"), content);

    Groups.of(
        3,
        group -> {
          try (PointerScope scope = new PointerScope()) {
            assertThat(group.first(group.rank() + 0.5)).isEqualTo(0.5);
            assertThat(group.first("Grüße von " + group.rank())).isEqualTo("Grüße von 0");
            assertThat(group.first(group.isFirst() ? "" : "other")).isEmpty();
            Path copy = folder.resolve("copy" + group.rank());
            assertThat(group.first((Path) null, copy)).isFalse();
            assertThat(group.first(group.isFirst() ? file : null, copy)).isTrue();
            if (!group.isFirst()) {
              assertThat(copy).hasSameBinaryContentAs(file);
            }
            Tensor real = torch.arange(scalar(6)).view(2, 3).add(scalar(group.rank())).t();
            Tensor whole = Tensor.create(7L + group.rank());
            group.copyFirst(List.of(real, whole));
            assertThat(real.select(0, 2).select(0, 1).item_double()).isEqualTo(5);
            assertThat(whole.item_long()).isEqualTo(7);
          }
          return null;
        });
  }

  private static Scalar scalar(double value) {
    return new Scalar(value);
  }

  @Test
  void sumsAndAllParts() {
    List<List<Double>> results =
        Groups.of(
            4,
            group -> {
              try (PointerScope scope = new PointerScope()) {
                Group.Sum sum = group.sum(group.rank(), 10);
                List<Double> all = new ArrayList<>();
                for (double value : sum.get()) {
                  all.add(value);
                }
                group
                    .all(Tensor.create((long) group.rank()).squeeze())
                    .forEach(own -> all.add(own.item_double()));
                return all;
              }
            });

    assertThat(results).containsOnly(List.of(6.0, 40.0, 0.0, 1.0, 2.0, 3.0));
  }

  /** As in one process, where an optimiser does not touch them, not even by weight decay. */
  @Test
  void parametersThatTheLossDoesNotDependOnHaveNoGradient() {
    Groups.of(
        2,
        group -> {
          try (PointerScope scope = new PointerScope()) {
            Tensor used = torch.ones(2, 2).set_requires_grad(true);
            Tensor unused = torch.ones(3).set_requires_grad(true);
            Map<String, Tensor> parameters = new LinkedHashMap<>();
            parameters.put("used", used);
            parameters.put("unused", unused);
            Group.Gradients gradients = group.gradients(parameters);
            for (int step = 0; step < 3; step++) {
              assertThat(gradients.clear()).isTrue();
              Tensor loss = used.mul(scalar(group.rank() + 1)).sum();
              gradients.beforeBackward(loss, true);
              loss.backward();
              assertThat(used.grad().select(0, 0).select(0, 0).item_double()).isEqualTo(1.5);
              assertThat(unused.grad().defined()).isFalse();
            }
          }
          return null;
        });
  }

  @Test
  void aMasterThatCannotBeReachedIsNamed() {
    Libtorch.load();
    int port = Groups.freePort();
    Launch launch = new Launch(1, 2, 0, 1, "127.0.0.1", port, "", false);

    assertThatThrownBy(() -> Group.join(launch, Duration.ofSeconds(1)))
        .isInstanceOf(LostProcessException.class)
        .hasMessageStartingWith(
            "process 1 of 2: cannot reach the master at 127.0.0.1:"
                + port
                + " (tried for 1 s; last: ");
  }

  @Test
  void aHostThatIsUnknownIsNamed() {
    Launch launch = new Launch(1, 2, 0, 1, "no-such-host.invalid", 29500, "", false);

    assertThatThrownBy(() -> Group.join(launch, Duration.ofMillis(1)))
        .hasMessage(
            "process 1 of 2: cannot reach the master at no-such-host.invalid:29500 (tried for 0 s;"
                + " last: the host is unknown)");
  }

  @Test
  void processesThatDoNotComeAreCounted() {
    int port = Groups.freePort();
    Launch launch = new Launch(0, 3, 0, 1, "127.0.0.1", port, "", false);

    assertThatThrownBy(() -> Group.join(launch, Duration.ofSeconds(1)))
        .hasMessage(
            "process 0 of 3: only 1 of 3 processes came to 127.0.0.1:" + port + " within 1 s");
  }

  @Test
  void aPortThatAnotherProgramUsesIsNamed() throws IOException {
    try (ServerSocket taken = new ServerSocket(0)) {
      Launch launch = new Launch(0, 2, 0, 1, "127.0.0.1", taken.getLocalPort(), "", false);

      assertThatThrownBy(() -> Group.join(launch, Duration.ofSeconds(1)))
          .hasMessageStartingWith(
              "port "
                  + taken.getLocalPort()
                  + " of this machine, at which the processes meet, cannot be opened: ");
    }
  }

  @Test
  void partsFollowEachOther() {
    assertThat(Group.part(10, 0, 3)).containsExactly(0, 3);
    assertThat(Group.part(10, 1, 3)).containsExactly(3, 6);
    assertThat(Group.part(10, 2, 3)).containsExactly(6, 10);
    assertThat(Group.part(1, 0, 2)).containsExactly(0, 0);
    assertThat(Group.ALONE.part(7)).containsExactly(0, 7);
  }
}
