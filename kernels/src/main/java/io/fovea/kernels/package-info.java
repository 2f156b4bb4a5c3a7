/**
 * The mechanisms as vector code for Java 25, found at start through {@code
 * io.fovea.attention.fast.Kernels}; nobody uses this package by name. A class for each kernel and
 * memory order ({@code Nhwc}: channels last); {@code Lanes}, {@code Rows} and {@code Parallel} are
 * what they share. Which tensors a kernel gets is decided on the other side of the seam. Start
 * with {@code VectorKernels}.
 */
package io.fovea.kernels;
