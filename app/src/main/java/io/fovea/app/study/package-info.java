/**
 * Studies: many trainings that are compared with each other, and the report. {@link
 * io.fovea.app.study.TaskSetup} has the task and its data, {@link io.fovea.app.study.Study} trains,
 * and {@link io.fovea.app.study.Results} holds the results.
 */
package io.fovea.app.study;
