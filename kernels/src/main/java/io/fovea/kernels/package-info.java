/**
 * Vector kernels of the mechanisms for Java 25. They are found through the interface {@code
 * io.fovea.attention.fast.Kernels} when the program starts, and no code uses this package by name.
 * There is one class for each kernel and memory format ({@code Nhwc}: channels last); {@code
 * Lanes}, {@code Rows} and {@code Parallel} are shared. The callers decide which tensors a kernel
 * gets. Start with {@code VectorKernels}.
 */
package io.fovea.kernels;
