/**
 * Faster ways to the same results as the equations, one class each. Nothing here is API. Before an
 * equation is computed, each {@code FastPath} is asked whether it supports the input. Some of them
 * use the vector kernels behind the interface {@code Kernels}, which {@code io.fovea.kernels}
 * provides on Java 25. The equations are in {@code io.fovea.attention}, the only user of this
 * package; algorithms that do not know mechanisms are in {@code io.fovea.tensor.compute}. Start
 * with {@code FastPath}.
 */
package io.fovea.attention.fast;
