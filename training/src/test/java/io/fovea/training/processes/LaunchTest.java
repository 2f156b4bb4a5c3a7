package io.fovea.training.processes;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fovea.errors.FoveaException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LaunchTest {
  /** Variables as {@code NAME=VALUE NAME=VALUE}. */
  private static Map<String, String> variables(String text) {
    Map<String, String> all = new LinkedHashMap<>();
    for (String one : text.split(" ")) {
      all.put(one.substring(0, one.indexOf('=')), one.substring(one.indexOf('=') + 1));
    }
    return all;
  }

  private static Launch of(String text) {
    return Launch.of(variables(text)).orElseThrow();
  }

  @Test
  void torchrunsStoreOutlivesAnAttempt() {
    Launch launch =
        of(
            "RANK=3 WORLD_SIZE=4 LOCAL_RANK=1 LOCAL_WORLD_SIZE=2 MASTER_ADDR=node1 MASTER_PORT=29400"
                + " TORCHELASTIC_USE_AGENT_STORE=True TORCHELASTIC_RESTART_COUNT=2"
                + " PET_NNODES=1 PET_MASTER_ADDR=elsewhere SLURM_PROCID=7 SLURM_STEP_NUM_TASKS=8");

    assertThat(launch)
        .isEqualTo(new Launch(3, 4, 1, 2, "node1", 29400, "/worker/attempt_2", false));
    assertThat(launch.opensPort()).isFalse();
    assertThat(launch.isOnOneMachine()).isFalse();
  }

  @Test
  void theFirstProcessOpensThePortWithoutAStoreOfTheLauncher() {
    String others = " WORLD_SIZE=2 MASTER_ADDR=host MASTER_PORT=1234";

    assertThat(of("RANK=0" + others)).isEqualTo(new Launch(0, 2, 0, 1, "host", 1234, "", false));
    assertThat(of("RANK=0" + others).opensPort()).isTrue();
    assertThat(of("RANK=1" + others).opensPort()).isFalse();
    assertThat(of("RANK=1 WORLD_SIZE=2 MASTER_ADDR=h").port()).isEqualTo(29500);
  }

  /** Kubeflow's TrainJob sets torchrun's options for a machine and no ranks. */
  @Test
  void variablesOfTrainJob() {
    String job =
        "PET_NNODES=3 PET_NODE_RANK=2 PET_MASTER_ADDR=job-node-0-0.job PET_MASTER_PORT=29500"
            + " PET_NPROC_PER_NODE=";

    assertThat(of(job + "2"))
        .isEqualTo(new Launch(4, 6, 0, 2, "job-node-0-0.job", 29500, "", true));
    assertThat(of(job + "auto"))
        .isEqualTo(new Launch(2, 3, 0, 1, "job-node-0-0.job", 29500, "", false));
    assertThat(of(job + "cpu").size()).isEqualTo(3);
    assertThat(of(job.replace("NNODES=3", "NNODES=1:3") + "1").size()).isEqualTo(3);
  }

  /** Kubeflow's PyTorchJob sets those of a machine and those of a process. */
  @Test
  void variablesOfPyTorchJob() {
    String job = "RANK=1 WORLD_SIZE=2 MASTER_ADDR=job-master-0 MASTER_PORT=23456";

    assertThat(of(job)).isEqualTo(new Launch(1, 2, 0, 1, "job-master-0", 23456, "", false));
    assertThat(
            of(
                job.replace("WORLD_SIZE=2", "WORLD_SIZE=4")
                    + " PET_NNODES=2 PET_NODE_RANK=1 PET_NPROC_PER_NODE=2"
                    + " PET_MASTER_ADDR=job-master-0 PET_MASTER_PORT=23456"))
        .isEqualTo(new Launch(2, 4, 0, 2, "job-master-0", 23456, "", true));
  }

  @Test
  void variablesOfSlurm() {
    String step =
        "SLURM_PROCID=5 SLURM_STEP_NUM_TASKS=7 SLURM_LOCALID=1 SLURM_NODEID=2 SLURM_JOB_ID=123456"
            + " SLURM_STEP_TASKS_PER_NODE=2(x3),1 SLURM_STEP_NODELIST=node[07-09,12]";

    assertThat(of(step)).isEqualTo(new Launch(5, 7, 1, 2, "node07", 23456, "", false));
    assertThat(of(step + " MASTER_ADDR=other MASTER_PORT=99"))
        .isEqualTo(new Launch(5, 7, 1, 2, "other", 99, "", false));
    // in the script of a batch job, before srun
    assertThat(Launch.of(variables("SLURM_PROCID=0 SLURM_NTASKS=7 SLURM_LOCALID=0"))).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ' ',
      value = {
        "node7 node7",
        "node7,node8 node7",
        "node[07-12] node07",
        "node[3,5-6] node3",
        "a-[1-2]-x,b[3] a-1-x",
        "gpu1,node[3-4] gpu1"
      })
  void theFirstHostOfSlurmsList(String list, String first) {
    assertThat(Launch.firstHost(list)).isEqualTo(first);
  }

  @Test
  void oneProcessNeedsNoOthers() {
    assertThat(Launch.of(Map.of())).isEmpty();
    assertThat(Launch.of(variables("RANK=0 WORLD_SIZE=1"))).isEmpty();
    assertThat(Launch.of(variables("PET_NNODES=1 PET_MASTER_ADDR=host PET_NPROC_PER_NODE=auto")))
        .isEmpty();
    assertThat(Launch.of(variables("SLURM_PROCID=0 SLURM_STEP_NUM_TASKS=1"))).isEmpty();
    assertThat(Launch.of(variables("RANK= WORLD_SIZE="))).isEmpty();
  }

  @Test
  void byHandEachMachineHasSeveralProcesses() {
    Launch first = Launch.byHand(2, 1, 3, "10.0.0.7:4000");

    assertThat(first).isEqualTo(new Launch(3, 6, 0, 3, "10.0.0.7", 4000, "", true));
    assertThat(first.local(2)).isEqualTo(new Launch(5, 6, 2, 3, "10.0.0.7", 4000, "", false));
    assertThat(Launch.of(first.local(2).variables())).contains(first.local(2));
    assertThat(Launch.byHand(1, 0, 2, "host").port()).isEqualTo(29500);
    assertThat(Launch.byHand(1, 0, 2, "[fe80::1]:77").master()).isEqualTo("fe80::1");
    assertThat(Launch.byHand(1, 0, 2, "fe80::1").master()).isEqualTo("fe80::1");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "RANK=2 WORLD_SIZE=2 MASTER_ADDR=h|the rank of a process must be from 0 to 1, got 2",
        "RANK=x WORLD_SIZE=2 MASTER_ADDR=h|RANK: expected a whole number, got \"x\"",
        "RANK=0 WORLD_SIZE=2|the launcher of the processes set no MASTER_ADDR, which says where they"
            + " meet",
        "RANK=0 WORLD_SIZE=2 MASTER_ADDR=h MASTER_PORT=0|the port must be from 1 to 65535, got 0",
        "RANK=0 WORLD_SIZE=2 LOCAL_RANK=1 LOCAL_WORLD_SIZE=3 MASTER_ADDR=h|process 1 of 3 on this"
            + " machine does not fit 2 processes in all"
      })
  void mistakesAreNamed(String text, String message) {
    assertThatThrownBy(() -> Launch.of(new HashMap<>(variables(text))))
        .isInstanceOf(FoveaException.class)
        .hasMessage(message);
  }
}
