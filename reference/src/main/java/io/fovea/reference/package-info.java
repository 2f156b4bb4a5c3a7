/**
 * The reference implementations: what the authors' PyTorch code does, operator by operator, on the
 * same libtorch, with Fovea's parameters; and comparisons of both, in numbers and in time. For
 * tests, {@code fovea bench} and the benchmarks; no network of a user is made of this. Start with
 * {@code Comparison}.
 */
package io.fovea.reference;
