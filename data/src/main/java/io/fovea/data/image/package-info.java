/**
 * Images, and folders of images with one class each. The header of a file is read before a native
 * decoder gets it, so that the size is known and limited. Masks and videos are in other packages.
 * Start with {@link io.fovea.data.image.ImageFolder}.
 */
package io.fovea.data.image;
