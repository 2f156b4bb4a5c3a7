/**
 * The reference implementations: the operators of the authors' PyTorch code, on the same libtorch
 * and with Fovea's parameters; and comparisons with Fovea, in numbers and in time. They are used by
 * tests, {@code fovea bench} and the benchmarks, never by a user's network. Start with {@code
 * Comparison}.
 */
package io.fovea.reference;
