/**
 * Data sets that need no folder: the sample of Fashion-MNIST that comes with Fovea, all of
 * Fashion-MNIST (downloaded), and scenes and moving garments that are composed from the sample.
 * Start with {@link io.fovea.data.bundled.FashionMnist}.
 */
package io.fovea.data.bundled;
