/** Data sets, and the loader that makes batches of them. */
package io.fovea.data;
