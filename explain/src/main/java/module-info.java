/** What a network looks at, drawn. */
module io.fovea.explain {
  requires transitive io.fovea.training;
  requires org.slf4j;

  exports io.fovea.explain to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.spark;
}
