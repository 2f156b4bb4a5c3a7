/**
 * Images, and folders of images with a class each. Headers are read before any native decoder sees
 * a file, so that sizes are known and bounded. Masks and videos are elsewhere. Start with {@link
 * io.fovea.data.image.ImageFolder}.
 */
package io.fovea.data.image;
