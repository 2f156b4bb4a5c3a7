/**
 * Videos, and folders of videos with a class each: which frames make a clip ({@link
 * io.fovea.data.video.Sampling}), and how they are decoded, from files by FFmpeg or from folders
 * of frames. Start with {@link io.fovea.data.video.VideoFolder}.
 */
package io.fovea.data.video;
