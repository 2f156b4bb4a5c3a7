/** Videos and folders of videos. */
package io.fovea.data.video;
