/**
 * Other ways to the numbers of the mechanisms, a class each, and no API: a {@code FastPath} is
 * asked whether it supports an input before the equation is computed. Some use the vector kernels
 * through the seam in {@code Kernels}, which {@code io.fovea.kernels} provides on Java 25. The
 * equations themselves are in {@code io.fovea.attention}, the only user of this package;
 * algorithms that know no mechanism are in {@code io.fovea.tensor.compute}. Start with {@code
 * FastPath}.
 */
package io.fovea.attention.fast;
