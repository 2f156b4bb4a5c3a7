package io.fovea.data;

/**
 * An image file that was left out because it cannot be read.
 *
 * @param file its path relative to the folder that was opened, with {@code /} between names
 * @param reason what is wrong with it, for a user to read
 */
public record SkippedImage(String file, String reason) {}
