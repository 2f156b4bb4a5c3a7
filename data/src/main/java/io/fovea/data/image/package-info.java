/** Images and folders of images. */
package io.fovea.data.image;
