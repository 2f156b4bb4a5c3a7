package io.fovea.data;

/**
 * An image file that was skipped because it cannot be read.
 *
 * @param file the path of the file relative to the opened folder, with {@code /} between names
 * @param reason the reason, for the user
 */
public record SkippedImage(String file, String reason) {}
