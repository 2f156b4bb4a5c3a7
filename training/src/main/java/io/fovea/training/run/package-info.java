/**
 * Run folders: what a training or an import leaves behind. {@link io.fovea.training.run.Run} writes and
 * opens them, {@link io.fovea.training.run.Importer} makes one of the weights of a PyTorch file. Start
 * reading at {@link io.fovea.training.run.Run}.
 */
package io.fovea.training.run;
