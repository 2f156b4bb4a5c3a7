/** Training, evaluation and run folders. */
module io.fovea.training {
  requires hipparchus.core;
  requires transitive com.fasterxml.jackson.databind;
  requires transitive io.fovea.data;
  requires transitive io.fovea.models;

  exports io.fovea.training to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark;
  exports io.fovea.training.evaluate to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark;
  exports io.fovea.training.processes to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark;
  exports io.fovea.training.run to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app,
      io.fovea.explain,
      io.fovea.spark;
  exports io.fovea.training.search to
      com.fasterxml.jackson.databind,
      io.fovea,
      io.fovea.app;

  opens io.fovea.training to
      com.fasterxml.jackson.databind;
  opens io.fovea.training.run to
      com.fasterxml.jackson.databind;
  opens io.fovea.training.search to
      com.fasterxml.jackson.databind;
}
