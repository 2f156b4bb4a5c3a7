/** Other ways to the numbers of the mechanisms: blocks of rows, sums of pairs, vector kernels; not API. */
package io.fovea.attention.fast;
