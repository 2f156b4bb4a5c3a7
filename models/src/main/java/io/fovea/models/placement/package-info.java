/**
 * Where attention goes into a network: the places as text ({@link
 * io.fovea.models.placement.Placement}), attention together with its place, the backbones'
 * topology that places are checked against, and the inserter that backbones call while they are
 * built. No backbone is in here; they depend on this package, not the other way round. Start with
 * {@code Placement}.
 */
package io.fovea.models.placement;
