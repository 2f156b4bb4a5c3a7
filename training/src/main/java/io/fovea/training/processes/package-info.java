/**
 * The processes that train one network together. A {@link io.fovea.training.processes.Launch} says
 * which of how many processes this is, from the variables of a launcher or by hand, and {@link
 * io.fovea.training.processes.Group} connects them and computes sums over all of them, with
 * libtorch's own c10d. Nothing here starts a process or knows what is trained. Start with {@code
 * Group}.
 */
package io.fovea.training.processes;
