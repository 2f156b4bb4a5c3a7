/** The reference implementations, which Fovea is compared with. */
module io.fovea.reference {
  requires transitive io.fovea.models;

  exports io.fovea.reference to
      io.fovea.app;
}
