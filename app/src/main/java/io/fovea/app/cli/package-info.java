/**
 * The command line: a class for each command, which parses, calls and prints. Classes named {@code
 * ...Options} turn words into values. The options of one task stand together in {@code ClassOptions},
 * {@code SegmentationOptions} and {@code VideoOptions}; commands ask the task and know none by name.
 */
package io.fovea.app.cli;
