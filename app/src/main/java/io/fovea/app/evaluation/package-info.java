/**
 * The results of an evaluation as files: JSON, CSV and a page. The numbers come from {@code
 * io.fovea.training.evaluate}. Start with {@link io.fovea.app.evaluation.EvaluationFiles}.
 */
package io.fovea.app.evaluation;
