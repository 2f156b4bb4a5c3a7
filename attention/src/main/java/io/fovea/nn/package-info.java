/** Layers, one file each, that mechanisms and backbones are made of. */
package io.fovea.nn;
