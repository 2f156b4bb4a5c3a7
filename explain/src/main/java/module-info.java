/** Explanations: what a network looks at, as numbers, pictures and pages. */
module io.fovea.explain {
  requires transitive io.fovea.training;
  requires org.slf4j;

  exports io.fovea.explain to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.spark;
}
