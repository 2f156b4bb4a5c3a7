/**
 * Run folders, which a training or an import writes. {@link io.fovea.training.run.Run} writes and
 * opens them, and {@link io.fovea.training.run.Importer} creates a run from the weights in a
 * PyTorch file; {@link io.fovea.training.run.ModelCard} is what an exported file says of itself. Start
 * with {@link io.fovea.training.run.Run}.
 */
package io.fovea.training.run;
