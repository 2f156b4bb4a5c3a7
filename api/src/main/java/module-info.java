/** Fovea for Java programs: train, evaluate, predict, explain and export. */
module io.fovea {
  requires io.fovea.explain;
  requires transitive java.desktop;
  requires static transitive org.jspecify;

  exports io.fovea;

  opens io.fovea to
      com.fasterxml.jackson.databind;
}
