/** Trainings side by side, and the report of them. */
package io.fovea.app.study;
