/** The reference implementations, to measure against. */
module io.fovea.reference {
  requires transitive io.fovea.models;

  exports io.fovea.reference to
      io.fovea.app;
}
