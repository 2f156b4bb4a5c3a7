/**
 * Helpers that all modules share and that are no API: the order of feature maps in memory, the
 * counting of multiply-accumulates, whether gradients are needed, checks of arguments, suggestions
 * for mistyped names, files that appear whole or not at all. They know no layer, no mechanism and
 * no network; what only one module needs is in that module. Start with {@code ChannelsLast}, the
 * least obvious of them.
 */
package io.fovea.tensor.internal;
