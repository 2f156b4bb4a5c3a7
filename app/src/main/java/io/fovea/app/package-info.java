/**
 * The command line's entry, {@link io.fovea.app.Fovea}, and nothing else: it parses, and turns
 * failures into one line and an exit status. The commands are in {@code .cli}, studies in {@code
 * .study}, the explorer in {@code .serve}, exported networks in {@code .export}, what all of them
 * print with in {@code .console}.
 */
package io.fovea.app;
