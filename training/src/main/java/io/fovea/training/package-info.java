/** Data, augmentation, the training loop, metrics and checkpoints. */
package io.fovea.training;
