/** Fovea for Java programs: train, evaluate, predict, explain and export. */
module io.fovea {
  requires io.fovea.explain;
  requires transitive java.desktop;

  exports io.fovea;

  opens io.fovea to
      com.fasterxml.jackson.databind;
}
