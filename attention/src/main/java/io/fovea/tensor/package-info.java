/**
 * What everything stands on: {@link io.fovea.tensor.Scopes scopes} that keep native memory flat,
 * the number of {@link io.fovea.tensor.Threads threads}, and the {@link io.fovea.tensor.Libtorch
 * loading} of the right libtorch. Nothing here knows a layer or a network. Start with {@code
 * Scopes}: every computation of Fovea runs in one.
 */
package io.fovea.tensor;
