/**
 * Exceptions for mistakes that a user of Fovea can correct. {@link io.fovea.errors.FoveaException}
 * and its subclasses have a message of one line for the person who gave the input; the command line
 * prints it and ends with status 2. Mistakes in a Java program, such as a tensor of the wrong shape
 * or null, are {@link java.lang.IllegalArgumentException}s or {@link
 * java.lang.IllegalStateException}s as everywhere, and never one of these.
 */
package io.fovea.errors;
