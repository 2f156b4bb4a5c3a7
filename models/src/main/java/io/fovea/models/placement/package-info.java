/** Where attention goes into a network. */
package io.fovea.models.placement;
