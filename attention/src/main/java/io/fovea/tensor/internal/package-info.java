/**
 * Helpers that all modules share: scopes that free native memory (every computation of Fovea runs in one),
 * evaluation mode for a while, networks without initial values, the memory format of feature maps, the counting of
 * multiply-accumulates, whether gradients are needed, checks of arguments, suggestions for mistyped
 * names, and atomic writes of files. Nothing here is API. Layers, mechanisms and networks are not
 * known here, and a helper that only one module needs is in that module. Start with {@code
 * Scopes}.
 */
package io.fovea.tensor.internal;
