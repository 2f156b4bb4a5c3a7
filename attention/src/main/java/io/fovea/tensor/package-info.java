/** What everything stands on: scopes of native memory, threads, and the loading of libtorch. */
package io.fovea.tensor;
