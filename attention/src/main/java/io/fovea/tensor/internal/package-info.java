/** Helpers that all modules share; not API. */
package io.fovea.tensor.internal;
