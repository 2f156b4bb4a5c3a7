/**
 * Many trainings of one network, side by side, and the report of them. {@link
 * io.fovea.app.study.TaskSetup} is what is compared on, {@link io.fovea.app.study.Study} trains, {@link
 * io.fovea.app.study.Results} is what comes out.
 */
package io.fovea.app.study;
