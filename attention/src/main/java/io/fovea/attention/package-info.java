/** The attention mechanisms of computer vision as libtorch modules. */
package io.fovea.attention;
