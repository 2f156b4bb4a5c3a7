/** The command line. Nothing in this module is API. */
module io.fovea.app {
  requires com.google.protobuf;
  requires com.microsoft.onnxruntime;
  requires de.siegmar.fastcsv;
  requires hipparchus.core;
  requires hipparchus.stat;
  requires info.picocli;
  requires io.fovea.explain;
  requires io.fovea.reference;
  requires io.javalin;
  requires java.logging;
  requires java.management;
  requires java.net.http;
  requires me.tongfei.progressbar;
  requires micrometer.core;
  requires micrometer.registry.prometheus;
  requires org.eclipse.jetty.server;
  requires org.slf4j;

  opens io.fovea.app to
      info.picocli;
  opens io.fovea.app.cli to
      com.fasterxml.jackson.databind,
      info.picocli;
  opens io.fovea.app.export to
      com.fasterxml.jackson.databind;
  opens io.fovea.app.serve to
      com.fasterxml.jackson.databind;
  opens io.fovea.app.study to
      com.fasterxml.jackson.databind;

  uses io.fovea.app.study.Trainings.Provider;
}
