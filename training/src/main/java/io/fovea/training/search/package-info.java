/**
 * The search for the attention that helps on a data set, and its place: many candidates race on a
 * validation part of the training images, and the best ones are compared with no attention on the
 * test images, with seeds of their own. {@link io.fovea.training.search.AttentionSearch} runs a
 * search, {@link io.fovea.training.search.Race} decides who trains on, and {@link
 * io.fovea.training.search.PairedDifference} and {@link io.fovea.training.search.Holm} say what can
 * be told from noise. Nothing here prints or draws.
 */
package io.fovea.training.search;
