/**
 * Videos, and folders of videos with one class each: the choice of the frames of a clip ({@link
 * io.fovea.data.video.Sampling}), and decoding, of files by FFmpeg or of folders of frames. Start
 * with {@link io.fovea.data.video.VideoFolder}.
 */
package io.fovea.data.video;
