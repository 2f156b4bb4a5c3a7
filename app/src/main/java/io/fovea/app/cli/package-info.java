/**
 * The commands, one class each, which parse, call and print. Classes with names that end in {@code
 * Options} turn arguments into values. The options of one task are in {@code ClassOptions}, {@code
 * SegmentationOptions} and {@code VideoOptions}; commands work with any task and do not know a task
 * by its name.
 */
package io.fovea.app.cli;
