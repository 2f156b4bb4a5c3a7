/** How good a network is. */
package io.fovea.training.evaluate;
