/** What a network looks at: gates, affinities, class activation maps, and their pictures and pages. */
package io.fovea.explain;
