/**
 * What a user of Fovea can mend. {@link io.fovea.errors.FoveaException} and its kinds carry one line for
 * the person who gave the input; the command line prints that line and ends with status 2. A mistake in
 * a Java program (a tensor of the wrong shape, a null) is an {@link java.lang.IllegalArgumentException}
 * or {@link java.lang.IllegalStateException} as everywhere, and never one of these.
 */
package io.fovea.errors;
