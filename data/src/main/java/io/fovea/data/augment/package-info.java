/**
 * Random changes of training images. {@link io.fovea.data.augment.ImageOps} has the operations, each
 * as torchvision's transforms v2 compute it on 8-bit tensors; {@link
 * io.fovea.data.augment.AugmentSpec} is a list of random ones, written as text. Start with {@code
 * AugmentSpec}.
 */
package io.fovea.data.augment;
