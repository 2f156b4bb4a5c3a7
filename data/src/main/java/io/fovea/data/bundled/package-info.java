/**
 * Data that need no folder: the sample of Fashion-MNIST that comes with Fovea (the whole is
 * downloaded), scenes and moving garments drawn from it. Start with {@link
 * io.fovea.data.bundled.FashionMnist}.
 */
package io.fovea.data.bundled;
