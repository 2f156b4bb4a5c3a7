/**
 * The entry of the command line, {@link io.fovea.app.Fovea}. It parses the arguments, and turns
 * failures into one line and an exit status. Commands are in {@code .cli}, studies in {@code
 * .study}, the explorer in {@code .serve}, exported networks in {@code .export}, and what prints on
 * the terminal in {@code .console}.
 */
package io.fovea.app;
