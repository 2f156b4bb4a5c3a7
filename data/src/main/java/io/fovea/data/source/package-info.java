/**
 * Where data come from, as records that are stored as JSON: {@link io.fovea.data.source.DataSpec}
 * opens folders and bundled data sets, and {@link io.fovea.data.source.Preprocessing} describes how
 * a file becomes the input of a trained network.
 */
package io.fovea.data.source;
