/** Data sets, and the loader that makes batches of them. This module does not know networks. */
module io.fovea.data {
  requires com.fasterxml.jackson.annotation;
  requires com.fasterxml.jackson.core;
  requires com.fasterxml.jackson.databind;
  requires transitive io.fovea.attention;
  requires transitive java.desktop;
  requires java.net.http;
  requires org.bytedeco.ffmpeg;
  requires transitive org.bytedeco.opencv;
  requires org.slf4j;

  exports io.fovea.data to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
  exports io.fovea.data.bundled to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
  exports io.fovea.data.folder to
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
  exports io.fovea.data.image to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
  exports io.fovea.data.mask to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
  exports io.fovea.data.source to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
  exports io.fovea.data.video to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark,
      io.fovea.training;
}
