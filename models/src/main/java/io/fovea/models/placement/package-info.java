/**
 * Where attention is placed in a network: the placement as text ({@link
 * io.fovea.models.placement.Placement}), attention with its placement, the topology of backbones
 * that placements are checked against, and the inserter that backbones call while they are built.
 * Backbones are not here; they depend on this package, not the other way round. Start with {@code
 * Placement}.
 */
package io.fovea.models.placement;
