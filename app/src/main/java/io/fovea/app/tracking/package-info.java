/**
 * The progress of a training for other programs: TensorBoard's event files in the folder of the run,
 * and runs on an MLflow server. Start with {@link io.fovea.app.tracking.TensorBoard} and {@link
 * io.fovea.app.tracking.Mlflow}.
 */
package io.fovea.app.tracking;
