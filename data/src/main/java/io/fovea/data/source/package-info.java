/**
 * Where data come from, as records that become JSON: {@link io.fovea.data.source.DataSpec} opens folders
 * and bundled samples, {@link io.fovea.data.source.Preprocessing} says how a file becomes what a trained
 * network takes.
 */
package io.fovea.data.source;
