package io.fovea.training;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.bytedeco.pytorch.Optimizer;
import org.bytedeco.pytorch.Scalar;
import org.bytedeco.pytorch.Tensor;
import org.bytedeco.pytorch.global.torch;

/**
 * The optimisers of a training, one for each group of parameters with the same settings. A step adds
 * up the gradients of one or more batches.
 */
final class Optimizers {
  /** A group of parameters with the same settings. */
  private record Group(Optimizer optimizer, Map<String, Tensor> parameters, double rate) {}

  private final TrainingSpec spec;
  private final List<Group> groups = new ArrayList<>();

  /** Creates optimisers of the open scope. */
  Optimizers(TrainingSpec spec) {
    this.spec = spec;
  }

  /**
   * Adds parameters.
   *
   * @param parameters the parameters by name; none are allowed
   * @param decay their weight decay
   * @param rate the factor of their learning rate
   */
  void add(Map<String, Tensor> parameters, double decay, double rate) {
    if (!parameters.isEmpty()) {
      Optimizer optimizer =
          spec.optimization().optimizer(parameters, spec.learningRate(), spec.momentum(), decay);
      groups.add(new Group(optimizer, parameters, rate));
    }
  }

  /** All parameters by name. */
  Map<String, Tensor> parameters() {
    Map<String, Tensor> all = new LinkedHashMap<>();
    groups.forEach(group -> all.putAll(group.parameters()));
    return all;
  }

  /** Forgets the gradients. */
  void clear() {
    groups.forEach(group -> group.optimizer().zero_grad());
  }

  /**
   * Adds the gradients of a batch.
   *
   * @param loss the mean loss of the batch
   * @param batches the number of batches of the step, which all count the same
   */
  void add(Tensor loss, int batches) {
    (batches == 1 ? loss : loss.mul(new Scalar(1.0 / batches))).backward();
  }

  /** Changes the parameters. */
  void step(double rate) {
    if (spec.optimization().clip() > 0) {
      clip(
          groups.stream().flatMap(group -> group.parameters().values().stream()).toList(),
          spec.optimization().clip());
    }
    for (Group group : groups) {
      group.optimizer().param_groups().get(0).options().set_lr(rate * group.rate());
      group.optimizer().step();
    }
  }

  /** The state, as tensors of the open scope. */
  Map<String, Tensor> state() {
    Map<String, Tensor> state = new LinkedHashMap<>();
    groups.forEach(group -> state.putAll(OptimizerState.of(group.optimizer(), group.parameters())));
    return state;
  }

  /**
   * Goes back to a state.
   *
   * @throws io.fovea.models.weights.WeightsException if it is that of other parameters
   */
  void restore(Map<String, Tensor> state) {
    groups.forEach(group -> OptimizerState.load(group.optimizer(), group.parameters(), state));
  }

  /**
   * Scales gradients whose norm together is larger than a limit, as PyTorch's {@code
   * clip_grad_norm_}.
   */
  static void clip(List<Tensor> parameters, double largest) {
    List<Tensor> gradients = parameters.stream().map(Tensor::grad).filter(Tensor::defined).toList();
    Tensor squares = torch.zeros(1).to(gradients.get(0).scalar_type());
    for (Tensor gradient : gradients) {
      squares = squares.add(gradient.mul(gradient).sum());
    }
    double norm = Math.sqrt(squares.item_double());
    double factor = largest / (norm + 1e-6); // the same small number as PyTorch's
    if (factor < 1) {
      gradients.forEach(gradient -> gradient.mul_(new Scalar(factor)));
    }
  }
}
